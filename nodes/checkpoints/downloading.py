"""One download from the hub, in a process of its own: it can be stopped at any moment, whatever carries it.

What was fetched of a file until then stays in the hub's cache, and the next download goes on from there.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from graph.context import Environment, Unavailable

LOOK_EVERY = 0.5  # seconds between two looks at how far it is
SMALLEST_NEWS = 1 / 500  # of the whole: what comes between is not told


def cached(name: str) -> Path:
    """The folder in the hub's cache of a repository, which need not be there."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"


def download(name: str, commit: str, files: Mapping[str, int], environment: Environment) -> Path:
    """The folder of the snapshot with `files` (name -> size in bytes) of a repository in it.

    Raises:
        Unavailable: when it fails, saying why.
        Cancelled: when the run was cancelled.
    """
    repository = cached(name)
    snapshot = repository / "snapshots" / commit
    missing = sum(size for file, size in files.items() if not (snapshot / file).exists())
    before = _size(repository, unfinished=False)
    told = 0
    environment.tell(name, told, missing)
    asked = json.dumps([name, commit, str(repository.parent), list(files)])
    process = subprocess.Popen(  # -P: no code from the current folder, which may be a stranger's
        [sys.executable, "-P", "-m", "nodes.checkpoints.downloader", asked],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        while True:
            try:
                answer, _ = process.communicate(timeout=LOOK_EVERY)
                break
            except subprocess.TimeoutExpired:
                environment.check()
                done = min(_size(repository) - before, missing)
                if done - told > missing * SMALLEST_NEWS:
                    told = done
                    environment.tell(name, told, missing)
    finally:
        process.kill()
        process.wait()
    why = answer.strip().rpartition("\n")[2]
    if process.returncode != 0:
        why = why or f"the download ended with status {process.returncode}"
    else:
        why = next((f"the hub has no {file}" for file in files if not (snapshot / file).exists()), "")
    if why:
        raise Unavailable(f"checkpoint {name} could not be fetched: {why}")
    return snapshot


def _size(repository: Path, unfinished: bool = True) -> int:
    """Bytes of a repository in the cache, with those of files that are not whole yet or without."""
    total = 0
    for file in (repository / "blobs").glob("*"):
        try:
            total += file.stat().st_size if unfinished or file.suffix != ".incomplete" else 0
        except FileNotFoundError:  # it was renamed between two looks
            continue
    return total
