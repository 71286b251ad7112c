"""Results by content key: a memory tier and a disk tier."""
