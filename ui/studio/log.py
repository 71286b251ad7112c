"""The server's log, on stderr: a failure to write it is not a failure to serve."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress


def log_failure(error: BaseException) -> None:
    """Write an error that nobody foresaw to the log, with where it came from."""
    with suppress(Exception):  # stderr may be closed, or its disk full
        traceback.print_exception(error)
        sys.stderr.flush()
