"""Numbers of bytes, as people say them."""


def gigabytes(size: int) -> str:
    """A number of bytes in gigabytes, a smaller one in megabytes."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
