"""The numbers in docs/SECURITY.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from graph import problems
from graph.workflow import json_text
from nodes import batches
from nodes.pixels import pictures as pixels
from ui.server import access_guard as access
from ui.server import conversations, gradio_private, login_guard, uploaded_files
from ui.studio import deadline, discretion, library, limits, runs, studio, uploads
from ui.studio.limits import MB, Limits

TEXT = (Path(__file__).parent.parent / "docs" / "SECURITY.md").read_text(encoding="utf-8")
UNITS = {"GB": 1024 * MB, "MB": MB, "s": 1, "": 1}
DEFAULT = Limits()
EXPECTED = {
    "forms opened from the canvas": (
        limits.DRAFTS_PER_OWNER,
        DEFAULT.drafts_per_address,
        limits.DRAFTS_IN_ALL,
    ),
    "forms opened from the canvas: their size": (
        limits.DRAFT_BYTES_PER_OWNER,
        limits.DRAFT_BYTES_PER_ADDRESS,
        limits.DRAFT_BYTES_IN_ALL,
    ),
    "saved workflows, with a login": (limits.SAVED_PER_OWNER, None, None),
    "saved workflows, with a login: their size": (limits.SAVED_BYTES_PER_OWNER, None, None),
    "saved workflows, without a login": (None, None, limits.SAVED_IN_ALL),
    "saved workflows, without a login: their size": (None, None, limits.SAVED_BYTES_IN_ALL),
    "versions of a saved workflow": (library.VERSIONS, None, None),
    "runs that wait": (runs.QUEUED_PER_OWNER, DEFAULT.queued_per_address, runs.QUEUED_IN_ALL),
    "records of runs that are done": (runs.KEPT_PER_OWNER, None, runs.KEPT_IN_ALL),
    "open pages; an idle one goes first": (None, DEFAULT.sessions_per_address, None),
    "calls and pages that are remembered": (None, conversations.MOST_CONVERSATIONS, None),
    "pictures that were uploaded": (uploads.MOST, None, None),
    "pictures that were uploaded: their size": (uploads.MOST_BYTES, None, None),
    "uploads of the form and the API, before they are used": (uploaded_files.MOST_UPLOADS, None, None),
    "connections": (None, None, limits.CONNECTIONS),
    "threads of runs that hang, until no run starts": (None, None, runs.MOST_ABANDONED),
    "entries in the log for visitors' mistakes, a minute": (None, None, discretion.MOST_A_MINUTE),
    "size": (access.LARGEST_BODY,),
    "a workflow file": (json_text.MAX_BYTES,),
    "levels of its JSON": (json_text.MAX_DEPTH,),
    "a picture": (uploads.LARGEST,),
    "pixels of a picture": (batches.MOST_PIXELS,),
    "pixels of the pictures that a workflow carries": (studio.MOST_ASSET_PIXELS,),
    "pictures that are decoded at the same time": (pixels.decoding._initial_value,),
    "levels of the values of a call": (gradio_private.MOST_DEPTH,),
    "values of a call": (gradio_private.MOST_VALUES,),
    "planning": (deadline.SECONDS,),
    "looking for the nearest known names": (problems.NAMES_SECONDS,),
    "failures of an address, or of a name from an address, before a pause": (login_guard.FAILURES,),
    "the first pause; each further failure doubles it": (login_guard.FIRST_PAUSE,),
    "the longest pause": (login_guard.LONGEST_PAUSE,),
    "failures of a name from anywhere, after which each answer takes longer": (login_guard.SLOW_AFTER,),
    "by so much": (login_guard.SLOW_SECONDS,),
}


def number(cell: str) -> float | None:
    """What a cell says, in bytes, seconds or pieces; an option may stand behind it."""
    if not cell:
        return None
    matched = re.fullmatch(r"([\d,.]+) ?(GB|MB|s|)(?: \(`--[a-z-]+`\))?", cell)
    assert matched is not None, cell
    return float(matched[1].replace(",", "")) * UNITS[matched[2]]


def tables() -> dict[str, tuple[float | None, ...]]:
    """The rows of the tables of limits; "their size" belongs to the row above."""
    section = TEXT.partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows: dict[str, tuple[float | None, ...]] = {}
    above = ""
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        for line in table.splitlines()[2:]:
            name, *cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            above, name = (above, f"{above}: {name}") if name == "their size" else (name, name)
            rows[name] = tuple(map(number, cells))
    return rows


def test_the_limits_are_those_of_the_code() -> None:
    assert tables() == EXPECTED


def test_every_limit_that_the_modules_of_limits_know_is_told() -> None:
    told = {value for row in EXPECTED.values() for value in row}
    named = [name for module in (limits, login_guard) for name in vars(module) if name.isupper()]
    values = {name: getattr(limits, name, getattr(login_guard, name, None)) for name in named}
    counted = {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not name.startswith("_") and name != "MB"
    }
    assert counted.keys() and set(counted.values()) <= told


def test_the_units_are_told() -> None:
    assert f"MB and GB are {MB:,} and {1024 * MB:,} bytes" in TEXT


def test_what_it_links_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links and all((Path(__file__).parent.parent / "docs" / link).is_file() for link in links)
