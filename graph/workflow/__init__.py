"""The workflow file: read, checked, migrated, saved, and carried inside pictures."""
