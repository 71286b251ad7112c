"""What can be written after `kandinsky`: commands, options, and the form of their values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Command = Callable[[argparse.Namespace], int]

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def parser(functions: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of the command line; `options.command` is the function of the command that was called."""
    main = argparse.ArgumentParser(
        prog="kandinsky", description="Run node workflows of the Kandinsky image models.", allow_abbrev=False
    )
    main.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = main.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        sub.set_defaults(command=functions[name])
        return sub

    run = command("run", "run a workflow (a JSON file, or a picture that carries one)")
    _add_run_options(run)
    check = command("check", "say everything that is wrong with workflows")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path)
    plan = command("plan", "say what would run and what would be reused, without running it")
    _add_run_options(plan)
    plan.add_argument("--explain", action="store_true", help="say why each node will run: what changed")
    nodes = command("nodes", "list the node types, or describe one")
    nodes.add_argument("type", metavar="TYPE", nargs="?")
    nodes.add_argument("--json", action="store_true", help="for programs")
    _add_ui_options(command("ui", "open the canvas: wire, run and share workflows in a browser"))
    cache = command("cache", "say what the disk cache holds, or empty it")
    cache.add_argument("action", choices=("info", "clear"))
    _add_cache_option(cache)
    password = command(
        "password", "make the line of the --auth file for a person; it does not tell the password"
    )
    password.add_argument("name", metavar="NAME")
    models = command("models", "say what a checkpoint holds")
    models.add_argument("action", choices=("inspect",))
    models.add_argument("path", metavar="PATH", help="a folder, a .safetensors file, or what a source may be")
    convert = command("convert", "make a checkpoint of the original files of Kandinsky 2.0 or 3")
    convert.add_argument(
        "source", metavar="SOURCE", type=Path, help="the folder with Kandinsky-2-0.pt, or kandinsky3.pt"
    )
    convert.add_argument("target", metavar="TARGET", type=Path, help="the folder to make")
    command("schema", "print the JSON Schema of the workflow file")
    command("templates", "list the workflows that are installed; template:NAME stands for a file")
    return main


def _add_run_options(parser: argparse.ArgumentParser) -> None:
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
    _add_shared_options(parser)
    parser.add_argument("--no-cache", action="store_true", help="neither read nor write the disk cache")
    parser.add_argument("--download", action="store_true", help="fetch checkpoints that are not here yet")
    parser.add_argument("--json", action="store_true", help="events on stdout, one JSON object a line")
    _add_node_timeout(parser)


def _add_ui_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        metavar="H",
        default="127.0.0.1",
        help="the address to serve on (127.0.0.1: only this machine; 0.0.0.0: the whole network)",
    )
    parser.add_argument("--port", metavar="P", type=_port, default=7860, help="the port to serve on (7860)")
    parser.add_argument(
        "--auth",
        metavar="FILE",
        type=Path,
        help="want a login; FILE has a line name:password for each person, see kandinsky password",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="one more name that this server goes by, where a name server or proxy gives it one",
    )
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        type=_origin,
        action="append",
        default=[],
        help="a site of your own, such as https://example.org, whose pages may call the API",
    )
    parser.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        type=_network,
        action="append",
        default=[],
        help="the address of a reverse proxy whose X-Forwarded-For, -Proto and -Host are believed",
    )
    parser.add_argument(
        "--root-path",
        metavar="PATH",
        type=_root_path,
        default="",
        help="the path below which a reverse proxy serves the canvas, such as /canvas",
    )
    for what, meaning, most in (
        ("drafts", "forms opened from the canvas", 50),
        ("runs", "runs that wait", 20),
        ("pages", "open pages", 50),
    ):
        parser.add_argument(
            f"--most-{what}-per-address",
            metavar="N",
            type=_positive,
            default=most,
            help=f"{meaning}, of all visitors without a login at one address ({most})",
        )
    parser.add_argument(
        "--workflows",
        metavar="DIR",
        type=_folder,
        default="saved",
        help="where workflows are saved (saved/); everybody sees them, with --auth each person their own",
    )
    _add_node_timeout(parser)
    _add_shared_options(parser)


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="DIR", type=_folder, default="outputs", help="where files go (outputs/)"
    )
    _add_cache_option(parser)
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


def _add_node_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--node-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="give up a run whose node gives no sign of life for so long (off)",
    )


def _add_cache_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", metavar="DIR", type=_folder, help="the cache folder (in the user's cache)")


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"kandinsky {version('kandinsky-canvas')}")
        parser.exit()


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device: expected auto, cpu, cuda, mps or cuda:N")
    return text


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+", text, re.IGNORECASE):
        raise argparse.ArgumentTypeError(f"{text!r} is not an origin: expected http(s)://NAME or NAME:PORT")
    return text.lower()


def _network(text: str) -> Any:
    from ui.server.reach import network

    try:
        return network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address, or ADDRESS/BITS") from None


def _root_path(text: str) -> str:
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not re.fullmatch(r"(/[\w.~-]+)*", path):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as /canvas")
    return path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _positive(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected a number up to 65535")
    return int(text)


def _folder(text: str) -> Path:
    try:
        fits = bool(text) and (Path(text).is_dir() or not Path(text).exists())
    except OSError:  # a name that is too long, say
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return Path(text)


def _existing_folder(text: str) -> Path:
    folder = _folder(text)
    if not folder.exists():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that exists")
    return folder
