"""Options that several commands have, and the form of their values."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What `run` and `plan` take."""
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="set an input: NAME is an interface name or node.param (may be given often)",
    )
    parser.add_argument("--to", metavar="NODE", help="run only what this node needs, and it")
    add_shared_options(parser)
    parser.add_argument("--no-cache", action="store_true", help="neither read nor write the disk cache")
    parser.add_argument("--download", action="store_true", help="fetch checkpoints that are not here yet")
    parser.add_argument("--json", action="store_true", help="events on stdout, one JSON object a line")
    add_node_timeout(parser)


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """What whatever runs workflows takes."""
    parser.add_argument(
        "--output", metavar="DIR", type=folder, default="outputs", help="where files go (outputs/)"
    )
    add_cache_option(parser)
    parser.add_argument(
        "--device",
        metavar="D",
        type=_device,
        default="auto",
        help="cpu, cuda, mps or cuda:N, where a node says auto",
    )
    parser.add_argument(
        "--allow",
        metavar="DIR",
        type=_existing_folder,
        action="append",
        default=[],
        help="a folder that the workflow may read (may be given often)",
    )


def add_node_timeout(parser: argparse.ArgumentParser) -> None:
    """How long a node may be silent."""
    parser.add_argument(
        "--node-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="give up a run whose node gives no sign of life for so long (off)",
    )


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Where the disk cache is."""
    parser.add_argument("--cache", metavar="DIR", type=folder, help="the cache folder (in the user's cache)")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device: expected auto, cpu, cuda, mps or cuda:N")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def folder(text: str) -> Path:
    """A folder, which need not be there yet."""
    try:
        fits = bool(text) and (Path(text).is_dir() or not Path(text).exists())
    except OSError:  # a name that is too long, say
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return Path(text)


def _existing_folder(text: str) -> Path:
    found = folder(text)
    if not found.exists():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that exists")
    return found
