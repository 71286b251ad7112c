"""Workflows that work as they are: the templates, and the pictures that they start from."""
