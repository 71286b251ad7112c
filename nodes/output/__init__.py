"""Nodes that save and show."""
