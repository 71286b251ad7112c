"""Values on wires as arrays and as files."""
