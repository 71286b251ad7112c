"""Checkpoints from the Hugging Face hub: looked up in the local cache, downloaded only with consent.

Only safetensors, JSON and text files are ever fetched, and of each part only one precision.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graph.context import Environment, Unavailable
from graph.problems import gigabytes
from nodes.checkpoints.downloading import cached, download
from nodes.files.find_weights import STEMS, find_weights
from nodes.files.reading import PICKLES, CheckpointError, read_json

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
ASKED_AGAIN = 60.0  # seconds; a canvas plans at every edit, and without a connection each question takes long


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository, in the local cache."""

    folder: Path
    commit: str

    @property
    def repository(self) -> Path:
        """The folder that holds all commits of the repository and the files that they link to."""
        return self.folder.parents[1]


def find(name: str, revision: str, folders: Iterable[Sequence[str]], dtype: str) -> Snapshot | None:
    """The snapshot of `name` at `revision` (a branch, tag or commit; "" is main) if it is in the cache.

    `folders` are the parts that it must have in full, each with its alternative names ("" is the top folder);
    parts that its model_index.json does not know do not count.
    """
    repository = cached(name)
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    folder = repository / "snapshots" / commit
    if not REVISION.fullmatch(commit) or not folder.is_dir():
        return None
    index = folder / "model_index.json"
    known = [*read_json(index), ""] if index.exists() else None
    needed = [names for names in folders if known is None or set(names) & set(known)]
    return Snapshot(folder, commit) if all(_complete(folder, names, dtype) for names in needed) else None


def fetch(
    name: str, revision: str, folders: Iterable[Sequence[str]], dtype: str, environment: Environment
) -> Snapshot:
    """Download what is needed of a repository, if the user agreed; says how large it is first.

    Raises:
        Unavailable: without consent (saying the size) or without a connection.
        CheckpointError: when the repository has no safetensors weights for a part.
    """
    commit, sizes = _ask(name, revision, environment)
    return _download(name, revision, commit, sizes, choose(sizes, folders, dtype, name), environment)


def fetch_files(name: str, revision: str, wanted: Iterable[str], environment: Environment) -> Snapshot:
    """As `fetch`, but those of the files `wanted` that the repository has."""
    commit, sizes = _ask(name, revision, environment)
    chosen = [file for file in wanted if file in sizes]
    if not chosen:
        raise CheckpointError(f"{name} has none of the files {', '.join(wanted)}")
    return _download(name, revision, commit, sizes, chosen, environment)


def _download(
    name: str,
    revision: str,
    commit: str,
    sizes: Mapping[str, int],
    chosen: Sequence[str],
    environment: Environment,
) -> Snapshot:
    if not environment.download:
        size = sum(sizes[file] for file in chosen)
        raise Unavailable(f"checkpoint {name} is not on this machine", fetch=gigabytes(size))
    folder = download(name, commit, {file: sizes[file] for file in chosen}, environment)
    if revision in ("", "main"):
        _remember_main(folder.parents[1], commit)
    return Snapshot(folder, commit)


def choose(files: Iterable[str], folders: Iterable[Sequence[str]], dtype: str, name: str) -> list[str]:
    """Of a repository's files those to fetch: configs, and weights in the precision that suits `dtype`."""
    placed = [(file, *file.rpartition("/")[::2]) for file in files]
    chosen = {file for file, folder, _ in placed if not folder and file.endswith(".json")}
    for names in folders:
        inside = {file: leaf for file, folder, leaf in placed if folder in names}
        weights = [file for file, leaf in inside.items() if ".safetensors" in leaf and leaf.startswith(STEMS)]
        pickles = [file for file in inside if file.endswith(PICKLES)]
        if pickles and not weights:
            raise CheckpointError(f"{name} has no safetensors weights for {names[0]}, only {pickles[0]}")
        halves = [file for file in weights if ".fp16" in file]
        whole = [file for file in weights if "." not in _variant(inside[file])]
        others = [file for file in inside if file.endswith((".json", ".txt", "/spiece.model"))]
        chosen |= {file for file in others if ".safetensors" not in file}
        chosen |= set((halves or whole) if dtype == "float16" else (whole or halves))
    return sorted(chosen)


def _variant(leaf: str) -> str:
    """What a weight file's name says before its suffix: "" or "-00001-of-00002", or ".ema" of a variant."""
    name = leaf.partition(".safetensors")[0]
    return next(name.removeprefix(stem) for stem in STEMS if name.startswith(stem))


def _complete(folder: Path, names: Sequence[str], dtype: str) -> bool:
    part = next((folder / name for name in names if (folder / name).is_dir()), None)
    if part is None:
        return False
    if not (part / "config.json").exists():  # a scheduler or tokenizer: no weights
        return True
    try:
        return bool(find_weights(part, dtype))
    except CheckpointError:
        return False


def _ask(name: str, revision: str, environment: Environment) -> tuple[str, dict[str, int]]:
    """The commit and the size of every file, from the hub; without consent at most once a minute."""
    if not environment.hub:  # not even what was learnt for somebody else is told
        raise Unavailable(f"checkpoint {name} is not on this machine")
    now, consent = time.monotonic(), environment.download
    answer = _answer(name, revision, consent, now if consent else now // ASKED_AGAIN)
    if isinstance(answer, str):
        raise Unavailable(answer)
    return answer


@lru_cache(maxsize=64)
def _answer(
    name: str,
    revision: str,
    consent: bool,
    when: float,  # noqa: ARG001 - tells one time from another, for the cache
) -> tuple[str, dict[str, int]] | str:
    """What `_ask` returns, or in one sentence why there is no answer."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info: Any = HfApi().model_info(name, revision=revision or "main", files_metadata=True, timeout=10)
    except GatedRepoError:
        return f"checkpoint {name} asks for a licence to be accepted on huggingface.co first"
    except RepositoryNotFoundError:
        return f"checkpoint {name} is neither on this machine nor on the hub"
    except RevisionNotFoundError:
        return f"checkpoint {name} has no revision {revision!r} on the hub"
    except Exception:  # whatever the HTTP library raises without a connection
        hint = "there is no connection to the hub" if consent else "add --download"
        return f"checkpoint {name} is not on this machine; {hint}"
    return info.sha, {file.rfilename: file.size or 0 for file in info.siblings or ()}


def _remember_main(repository: Path, commit: str) -> None:
    # A download by commit leaves no note of which commit "main" was.
    reference = repository / "refs" / "main"
    reference.parent.mkdir(exist_ok=True)
    reference.write_text(commit)
