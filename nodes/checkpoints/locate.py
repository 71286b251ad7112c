"""From a `source` string to a checkpoint on this machine: the miniature, a folder, or a hub repository."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graph.context import Environment, Unavailable
from graph.files.allowed import LOCAL, Files, models_folder
from graph.problems import nearest
from nodes.checkpoints import hub
from nodes.files.reading import CheckpointError

MINIATURE = Path(__file__).parents[1] / "miniature" / "weights"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder (or its only file), and how its files may be reached."""

    source: str
    revision: str  # the commit of a hub checkpoint, "" for a folder
    root: Path
    within: tuple[Path, ...]  # where its files must lie, whatever links say
    sha256: Callable[[Path], str]

    def find(self, *names: str) -> Path | None:
        """The first of these files or folders (below the root) that exists, or None.

        Raises CheckpointError for one that is a link to somewhere outside.
        """
        path = next((self.root / name for name in names if (self.root / name).exists()), None)
        if path is not None:
            self.admit(path)
        return path

    def require(self, *names: str) -> Path:
        """As `find`, but CheckpointError where there is none."""
        path = self.find(*names)
        if path is None:
            raise CheckpointError(f"checkpoint {self.source} ({self.root}) has no {' or '.join(names)}")
        return path

    def admit(self, path: Path) -> Path:
        """`path`, if it does not lead out of the checkpoint."""
        real = path.resolve()
        if not any(real.is_relative_to(folder) for folder in self.within):
            raise CheckpointError(f"{path} is a link to {real}, outside of the folders that may be read")
        return path

    def content_hash(self, path: Path) -> str:
        """The sha256 of a file; of a large file from the hub, the one that the hub states."""
        stated = self.admit(path).resolve().name  # the hub's cache names large files by their sha256
        if self.revision and re.fullmatch(r"[0-9a-f]{64}", stated):
            return stated
        return self.sha256(path)


def locate(
    source: str,
    revision: str,
    environment: Environment,
    *,
    kind: str,
    folders: Sequence[Sequence[str]],
    dtype: str,
) -> Checkpoint:
    """Find the checkpoint that `source` means; fetch it if it is on the hub and the user agreed.

    Args:
        source: "miniature"; a folder if it begins with ./ ../ / or exists in the models folder; or a hub id.
        revision: a branch, tag or commit of a hub repository, "" for its main branch.
        kind: which of several checkpoints side by side in one folder: "prior" or "decoder".
        folders: the parts that are needed, each with its alternative names.
        dtype: which precision to prefer where a hub repository has several.

    Raises:
        Unavailable: when it is not on this machine.
        CheckpointError: when it cannot be a checkpoint at all.
    """
    folder = _on_this_machine(source, revision, environment)
    if folder is None:
        return _from_hub(source, revision, environment, folders, dtype)
    if folder.is_file():
        return replace(_local(source, folder.parent, environment), root=folder)
    if not (folder / "model_index.json").exists() and (folder / kind / "model_index.json").exists():
        folder /= kind
    return _local(source, folder, environment)


def locate_any(path: str) -> Checkpoint:
    """What the user (not a workflow) means: a path on this machine, or anything that a source may be.

    Nothing is fetched. Raises Unavailable where it is not on this machine.
    """
    here = Path(path)
    if path != "miniature" and here.exists():
        root = here.resolve()
        return Checkpoint(path, "", root, (root if root.is_dir() else root.parent,), Files(None).sha256)
    environment = Environment(Files(None))
    found = _on_this_machine(path, "", environment)
    if found is not None:
        return replace(_local(path, found, environment), within=(found.resolve(),))
    _check_hub_id(path, "")
    snapshot = hub.find(path, "", (), "float32")
    if snapshot is None:
        raise Unavailable(f"checkpoint {path} is not on this machine")
    return _of_snapshot(path, snapshot, environment)


def locate_file(
    source: str, revision: str, environment: Environment, names: Sequence[str], beside: Sequence[str] = ()
) -> tuple[Checkpoint, Path]:
    """A single safetensors file and what it lies in: `source` itself, or one of `names` in what it means.

    Of a hub repository, `names` and the files `beside` are all that is fetched. Raises as `locate` does.
    """
    path = _on_this_machine(source, revision, environment)
    if path is not None and path.is_file():
        return _local(source, path.parent, environment), path
    if path is not None:
        checkpoint = _local(source, path, environment)
    else:
        _check_hub_id(source, revision)
        snapshot = hub.find(source, revision, (), "float32")
        if snapshot is None or not any((snapshot.folder / name).exists() for name in names):
            snapshot = hub.fetch_files(source, revision, (*names, *beside), environment)
        checkpoint = _of_snapshot(source, snapshot, environment)
    return checkpoint, checkpoint.require(*names)


def _on_this_machine(source: str, revision: str, environment: Environment) -> Path | None:
    """The folder or file that `source` means; None for a hub id. Raises Unavailable where there is none."""
    if source == "miniature":
        path: Path | None = MINIATURE
    elif source.startswith(LOCAL):
        path = environment.files.folder(source)
    else:
        path = _in_models(source, models_folder())
    if path is None:
        return None
    if revision:
        raise CheckpointError(
            f"revision {revision!r} is for hub checkpoints, but {source} is on this machine"
        )
    if not path.exists():
        raise Unavailable(f"checkpoint {source} is not on this machine: there is no folder {path}")
    return path


def _local(source: str, folder: Path, environment: Environment) -> Checkpoint:
    files = environment.files
    within = (folder.resolve(), models_folder().resolve(), *files.roots)
    return Checkpoint(source, "", folder, within, files.sha256)


def _in_models(source: str, models: Path) -> Path | None:
    """The folder of that name in the models folder."""
    if not source or "\0" in source or ".." in Path(source).parts or len(source) > 300:
        raise CheckpointError(
            f"source {source[:80]!r} means nothing, expected miniature, a folder or a hub id"
        )
    return models / source if (models / source).exists() else None


def _from_hub(
    source: str, revision: str, environment: Environment, folders: Sequence[Sequence[str]], dtype: str
) -> Checkpoint:
    _check_hub_id(source, revision)
    snapshot = hub.find(source, revision, folders, dtype)
    if snapshot is None:
        snapshot = hub.fetch(source, revision, folders, dtype, environment)
    return _of_snapshot(source, snapshot, environment)


def _check_hub_id(source: str, revision: str) -> None:
    if not hub.REPOSITORY.fullmatch(source):
        raise Unavailable(_unknown(source, models_folder()), param="source")
    if revision and not hub.REVISION.fullmatch(revision):
        raise CheckpointError(f"revision {revision!r} is no branch, tag or commit of {source}")


def _of_snapshot(source: str, snapshot: hub.Snapshot, environment: Environment) -> Checkpoint:
    within = (snapshot.repository.resolve(),)
    return Checkpoint(source, snapshot.commit, snapshot.folder, within, environment.files.sha256)


def _unknown(source: str, models: Path) -> str:
    known = ["miniature", *(entry.name for entry in models.iterdir())] if models.is_dir() else ["miniature"]
    near = nearest(source, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"source {source!r} is not in the models folder ({models}), nor a hub id (owner/name){hint}"
