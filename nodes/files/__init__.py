"""Careful readers of files that may come from anybody."""
