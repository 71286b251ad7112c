"""What the engine itself contributes to the names of results."""

LAYOUT = 3
"""Counts up when keys are made differently, when the engine may give other results, or when it stores them
differently. Results lie in a folder that is named for it."""

PRIVATE = "private-"
"""In front of the keys that are good in this process only: see `graph.planning.sources`."""


def is_private(key: str) -> bool:
    """Whether a key is good in this process only."""
    return key.startswith(PRIVATE)
