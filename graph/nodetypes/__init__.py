"""What a node type is: its signature, ports and params, what it returned, and the catalogue."""
