"""Which files hold the weights of a part: whole or in shards, full or half precision."""

from pathlib import Path
from typing import Any

from nodes.files.reading import MOST_INDEX_BYTES, PICKLES, CheckpointError, read_json, refuse_pickles

STEMS = ("diffusion_pytorch_model", "model")


def find_weights(folder: Path, dtype: str) -> tuple[Path, ...]:
    """The safetensors files in `folder`, the half precision ones first where `dtype` is float16.

    Raises CheckpointError where there are none, or a shard is missing.
    """
    halves = (".fp16", "") if dtype == "float16" else ("", ".fp16")
    for half in halves:
        for stem in STEMS:
            whole = folder / f"{stem}{half}.safetensors"
            if whole.is_file():
                return (whole,)
            index = folder / f"{stem}.safetensors.index{half}.json"
            if index.is_file():
                return _shards(index)
    raise _nothing(folder)


def _shards(index: Path) -> tuple[Path, ...]:
    weight_map: Any = read_json(index, MOST_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map from tensors to files")
    names = {str(name) for name in weight_map.values()}
    for name in names:
        # A name with a folder in it would lead out of the checkpoint.
        if Path(name).name != name or not name.endswith(".safetensors") or "\\" in name:
            raise CheckpointError(
                f"{index} names {name!r:.80}, expected the name of a safetensors file beside it"
            )
    shards = [index.parent / name for name in sorted(names)]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise CheckpointError(
            f"{index.parent} lacks {len(missing)} of {len(shards)} shards: {', '.join(missing[:3])}"
        )
    return tuple(shards)


def _nothing(folder: Path) -> CheckpointError:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    pickles = [file for file in files if file.suffix in PICKLES]
    if pickles:
        refuse_pickles(*pickles)
    others = [file.name for file in files if file.suffix == ".safetensors"]
    hint = f"; it holds {', '.join(others[:3])}" if others else ""
    expected = " or ".join(f"{stem}.safetensors" for stem in STEMS)
    return CheckpointError(f"{folder} has no weights: expected {expected}{hint}")
