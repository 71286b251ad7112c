"""The `kandinsky` command.

Nothing heavy is imported here: each command imports what it needs, so that help is there at once, and none of
them imports torch before a node that computes does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ui.command.arguments import parser
from ui.command.status import DONE, INTERRUPTED, INVALID

if TYPE_CHECKING:
    from graph.nodetypes.catalogue import Catalogue
    from graph.program import Program
    from graph.workflow.file import Workflow


class Refused(Exception):
    """The call is wrong; the message is one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (see the README)."""
    # Both are read when torch is imported. Large pages make elementwise work on large tensors faster.
    # Threads that wait for each other without spinning long lose little when another program is busy.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Odd characters are shown as escapes where the terminal cannot show them.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parser(_COMMANDS).parse_args(arguments)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except Refused as refused:
        print(f"kandinsky: {refused}", file=sys.stderr)
        return INVALID
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED


def leave_at_once(status: int) -> NoReturn:
    """End the process without waiting for its threads. Files of the cache appear whole or not at all."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


# The commands


def _run(options: argparse.Namespace) -> int:
    from graph.problems import InvalidWorkflow
    from ui.command.run import execute, report_invalid

    try:
        program = _program(options)
    except InvalidWorkflow as invalid:
        report_invalid(invalid, sys.stdout if options.json else None)
        return INVALID
    run = program.start(to=options.to, previews=options.json)
    run.node_timeout = options.node_timeout
    status = execute(run, options.json)
    if run.abandoned is not None:
        leave_at_once(status)  # Python would wait for a node that hangs
    return status


def _plan(options: argparse.Namespace) -> int:
    from graph.events import Reporter
    from graph.planning.explain import explain
    from graph.planning.plan import plan
    from graph.problems import InvalidWorkflow
    from ui.command.run import JsonLines, report_invalid
    from ui.text import one_line, table

    if options.explain and options.no_cache:
        raise Refused("--explain needs to know the last run, which --no-cache does not remember")
    try:
        program = _program(options)
        made = plan(
            program.workflow,
            program.catalogue,
            program.environment,
            cache=program.results,
            to=options.to,
        )
    except InvalidWorkflow as invalid:
        report_invalid(invalid, sys.stdout if options.json else None)
        return INVALID
    because = explain(made, program.history) if options.explain and program.history is not None else None
    if options.json:
        told = {} if because is None else {"because": because}
        Reporter(JsonLines(sys.stdout)).emit("planned", nodes=made.statuses, **told)
        return DONE
    rows: list[tuple[str, ...]] = [("NODE", "STATUS", "TYPE", *(("WHY",) if because is not None else ()))]
    for id, status in made.statuses.items():
        why = () if because is None else (one_line(because.get(id, "")),)
        rows.append((id, status, made.steps[id].type.id, *why))
    statuses = list(made.statuses.values())
    print(table(rows))
    print(", ".join(f"{statuses.count(status)} {status}" for status in ("run", "reuse", "skip")))
    return DONE


def _check(options: argparse.Namespace) -> int:
    from ui.text import count, one_line

    wrong = 0
    for file in options.files:
        problems = _problems(file)
        for problem in problems:
            print(f"{one_line(file)}: {one_line(problem)}")
        wrong += bool(problems)
    files = count(len(options.files), "file")
    print(f"{files} checked, {wrong or 'none'} with problems", file=sys.stderr)
    return INVALID if wrong else DONE


def _problems(file: Path) -> list[Any]:
    from graph.cache.disk_tier import default_folder
    from graph.planning.plan import check
    from graph.problems import InvalidWorkflow
    from graph.program import assemble

    try:
        workflow = _read(file)
    except InvalidWorkflow as invalid:
        return invalid.problems
    # The cache folder is where the fingerprints of large files are remembered.
    program = assemble(workflow, _catalogue(), output=Path("outputs"), cache=default_folder())
    return check(workflow, program.catalogue, program.environment)


def _nodes(options: argparse.Namespace) -> int:
    from graph.nodetypes.catalogue_json import describe, describe_node
    from graph.problems import nearest
    from ui.command.catalogue_text import details, overview

    catalogue = _catalogue()
    if options.type is None:
        print(json.dumps(describe(catalogue)) if options.json else overview(catalogue))
        return DONE
    node_type = catalogue.get(options.type)
    if node_type is None:
        near = nearest(options.type, catalogue)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise Refused(f"there is no node type {options.type!r}{hint}")
    print(json.dumps(describe_node(node_type)) if options.json else details(node_type))
    return DONE


def _cache(options: argparse.Namespace) -> int:
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


def _ui(options: argparse.Namespace) -> int:
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
        _catalogue(),
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


def _templates(options: argparse.Namespace) -> int:  # noqa: ARG001 - a command like the others
    from graph.workflow.file import load
    from graph.workflow.templates import PREFIX, templates
    from ui.text import one_line, table

    rows = [(f"{PREFIX}{name}", one_line(load(file).description)) for name, file in templates().items()]
    print(table([("TEMPLATE", "WHAT IT DOES"), *rows]))
    return DONE


def _password(options: argparse.Namespace) -> int:
    from getpass import getpass

    from ui.server.accounts import password_hash

    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass(f"Password of {options.name}: ")
    if not password:
        raise Refused("a password cannot be empty")
    print(f"{options.name}:{password_hash(password)}")
    return DONE


def _models(options: argparse.Namespace) -> int:
    from graph.context import Unavailable
    from graph.problems import gigabytes
    from nodes.checkpoints.locate import locate_any
    from nodes.checkpoints.report import parameters, parts
    from ui.text import one_line, table

    try:
        checkpoint = locate_any(options.path)
        found = list(parts(checkpoint))
    except (Unavailable, ValueError, OSError) as error:
        raise Refused(one_line(error)) from None
    if not found:
        raise Refused(f"{one_line(options.path)} is no checkpoint: no part of it has a config.json")
    rows: list[tuple[str, ...]] = [("PART", "WHAT", "SIZE", "SAVED AS")]
    for part in found:
        size = part.size
        measured = (
            (f"{parameters(size.parameters)}, {gigabytes(size.saved_bytes)}", size.saved_as)
            if size
            else ("", "")
        )
        rows.append((one_line(part.part), one_line(part.what or "broken"), *measured))
    print(table(rows))
    broken = [part for part in found if part.problem]
    for part in broken:
        print(f"{one_line(part.part)}: {one_line(part.problem)}")
    return INVALID if broken else DONE


def _convert(options: argparse.Namespace) -> int:
    from nodes.conversion.convert import convert
    from nodes.files.reading import CheckpointError
    from ui.text import one_line

    try:
        made = convert(
            options.source, options.target, lambda message: print(one_line(message), file=sys.stderr)
        )
    except CheckpointError as error:
        raise Refused(one_line(error)) from None
    except OSError as error:
        raise Refused(f"{one_line(options.target)} cannot be written: {error.strerror or error}") from None
    print(f"{one_line(options.target)}: {made}")
    return DONE


def _schema(options: argparse.Namespace) -> int:  # noqa: ARG001 - a command like the others
    from graph.workflow.schema import schema

    print(json.dumps(schema(_catalogue()), indent=2))
    return DONE


# What they share


def _program(options: argparse.Namespace) -> Program:
    """The workflow of the call, with what `--set` says."""
    from graph.cache.disk_tier import default_folder
    from graph.program import assemble, history_of
    from graph.workflow.overrides import override

    program = assemble(
        _read(options.file),
        _catalogue(),
        output=options.output,
        cache=None if options.no_cache else options.cache or default_folder(),
        device=options.device,
        allow=options.allow,
        download=options.download,
    )
    texts = dict(options.set)
    files = program.environment.files
    workflow = override(program.workflow, program.catalogue, texts, files, typed=False)
    return replace(program, workflow=workflow, history=None if options.no_cache else history_of(options.file))


def _read(file: Path) -> Workflow:
    """The workflow in a file; one that cannot be read is a problem like any other."""
    from graph.problems import InvalidWorkflow, Problem
    from graph.workflow.file import load

    try:
        return load(file)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidWorkflow):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidWorkflow([Problem(f"the workflow {str(file)!r} cannot be read: {reason}")]) from None


def _catalogue() -> Catalogue:
    from graph.nodetypes.catalogue import installed

    _check_import_names()
    try:
        catalogue = installed()
    except (ValueError, ImportError) as error:
        raise Refused(f"the installed node types cannot be used: {error}") from None
    if not catalogue:
        raise Refused("no node types are installed: pip install kandinsky-canvas, or pip install -e . here")
    return catalogue


def _check_import_names() -> None:
    """Refuse to run with another package's `nodes` or `workflows`: short names, not ours alone."""
    from importlib.util import find_spec

    import graph

    home = Path(graph.__file__).resolve().parents[1]
    for name in ("nodes", "workflows"):
        spec = find_spec(name)
        place = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if place != home / name / "__init__.py":
            found = f"is {place}" if place else "cannot be found"
            raise Refused(f"Python's package `{name}` {found}, expected the one in {home}: start elsewhere")


_COMMANDS = {
    "run": _run,
    "check": _check,
    "plan": _plan,
    "models": _models,
    "nodes": _nodes,
    "ui": _ui,
    "cache": _cache,
    "password": _password,
    "convert": _convert,
    "schema": _schema,
    "templates": _templates,
}

if __name__ == "__main__":
    sys.exit(main())
