"""Nodes that work on pictures."""
