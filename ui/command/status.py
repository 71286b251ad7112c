"""Exit statuses of the command line."""

DONE = 0
FAILED = 1
"""A node failed, even if others finished."""
INVALID = 2
"""The workflow or the call is wrong."""
INTERRUPTED = 130
