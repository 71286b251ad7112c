"""Imports that take seconds, made while somebody looks at the page for the first time."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache
from importlib import import_module

DELAY_SECONDS = 2.0
"""After the page was opened: what it loads itself comes first."""

_MODULES = (
    "torch",
    "transformers.models.clip.modeling_clip",
    "nodes.networks.prior_transformer",
    "nodes.networks.unet",
    "nodes.networks.movq",
)


_importing = threading.Lock()


@cache
def warm_up() -> None:
    """Import soon, in a thread, what the first run needs; once in this process."""
    timer = threading.Timer(DELAY_SECONDS, import_all)
    timer.daemon = True
    timer.start()


def import_all() -> None:
    """Import what runs need, or wait until another thread has: a run does this before it begins.

    Two threads must not import transformers at once: one of them would meet modules that are half made.
    """
    with _importing:
        for module in _MODULES:
            with suppress(ImportError):  # which the run will tell
                import_module(module)
