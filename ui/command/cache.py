"""`kandinsky cache`."""

from __future__ import annotations

import argparse

from ui.command.options import add_cache_option
from ui.command.status import DONE

HELP = "say what the disk cache holds, or empty it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("action", choices=("info", "clear"))
    add_cache_option(parser)


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from graph.cache.disk_tier import DiskCache, default_folder
    from ui.text import count, one_line

    disk = DiskCache(options.cache or default_folder())
    info = disk.info() if options.action == "info" else disk.clear()
    size = f"{count(info.entries, 'value')}, {info.bytes / 1e6:,.1f} MB"
    if options.action == "info":
        print(f"{one_line(info.folder)}: {size} of at most {info.limit_bytes / 1e6:,.0f} MB")
    else:
        print(f"{one_line(info.folder)}: removed {size}")
    return DONE
