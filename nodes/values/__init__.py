"""Nodes for plain values and batches."""
