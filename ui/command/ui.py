"""`kandinsky ui`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from ui.command.leave import leave_at_once
from ui.command.options import add_node_timeout, add_shared_options, folder
from ui.command.program import catalogue
from ui.command.refused import Refused
from ui.command.status import DONE

HELP = "open the canvas: wire, run and share workflows in a browser"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
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
        type=folder,
        default="saved",
        help="where workflows are saved (saved/); everybody sees them, with --auth each person their own",
    )
    add_node_timeout(parser)
    add_shared_options(parser)


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from platformdirs import user_config_path

    from graph.cache.disk_tier import default_folder
    from graph.problems import sentence
    from ui.server.accounts import Accounts, AccountsRefused
    from ui.server.cookies import cookie_key
    from ui.server.reach import Reach
    from ui.server.serving import LOOPBACK, CannotServe, listen, serve
    from ui.studio.limits import Limits
    from ui.studio.studio import Places, Studio
    from ui.studio.warm import warm_up

    try:
        accounts = Accounts.read(options.auth) if options.auth is not None else None
        opened = listen(options.host, options.port)
    except (AccountsRefused, CannotServe) as refused:
        raise Refused(str(refused)) from None
    except OSError as error:
        raise Refused(f"the accounts in {options.auth} cannot be read: {error.strerror or error}") from None
    try:
        key = cookie_key(user_config_path("kandinsky-canvas", appauthor=False))
    except OSError as error:
        raise Refused(f"the key of the visitors' cookies cannot be used: {sentence(error)}") from None
    reach = Reach(
        host=options.host,
        names=tuple(options.allow_host),
        origins=tuple(options.allow_origin),
        proxies=tuple(options.trusted_proxy),
        root_path=options.root_path,
        accounts=accounts,
        limits=Limits(
            options.most_drafts_per_address, options.most_runs_per_address, options.most_pages_per_address
        ),
        cookie_key=key,
    )
    places = Places(
        output=options.output.absolute(),
        workflows=options.workflows.absolute(),
        inputs=Path("inputs").absolute(),
        cache=(options.cache or default_folder()).absolute(),
    )
    studio = Studio(
        catalogue(),
        places,
        options.device,
        options.allow,
        on_visit=warm_up,
        downloads=reach.has_owner and options.host in LOOPBACK,  # others must not fill this machine's disk
        limits=reach.limits,
        node_timeout=options.node_timeout,
    )
    serve(studio, opened, reach)
    if studio.runs.abandoned:
        leave_at_once(DONE)  # Python would wait for a node that hangs
    return DONE


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


def _positive(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected a number up to 65535")
    return int(text)
