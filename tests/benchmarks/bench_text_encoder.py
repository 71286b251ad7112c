"""The memory that Kandinsky 3's text encoder needs when it is read layer by layer, at its real size.

    python -m tests.benchmarks.bench_text_encoder [--dtype float32] [--prompts 1] [--layers 32]

The checkpoint is made for this: a sparse file of zeros, 17 GB long, that takes hardly any disk. Reading and
computing do not depend on the values.
"""

import argparse
import json
import math
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graph.context import Environment
from graph.files.allowed import Files
from nodes.encoders.t5 import build
from nodes.kandinsky.text_encode import text_encode
from nodes.load.load_kandinsky3 import load_kandinsky3
from tests.benchmarks.bench_networks import peak_megabytes
from tests.nodes.stages import Recorder
from tests.nodes.tiny3 import sentencepiece_model, tiny_pieces

FLAN_UL2: dict[str, Any] = {
    "model_type": "t5",
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 256,
    "d_ff": 16384,
    "num_heads": 16,
    "num_layers": 32,
    "feed_forward_proj": "gated-silu",
}


def main(arguments: list[str] | None = None) -> None:
    """Encode prompts and print what it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dtype", default="float32", choices=("float32", "float16", "bfloat16"))
    options.add_argument("--prompts", type=int, default=1)
    options.add_argument("--layers", type=int, default=FLAN_UL2["num_layers"])
    chosen = options.parse_args(arguments)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = make_checkpoint(folder, {**FLAN_UL2, "num_layers": chosen.layers})
        environment = Environment(Files(folder, cwd=folder))
        parts = load_kandinsky3(
            source=str(folder),
            dtype=chosen.dtype,
            device="cpu",
            offload="sequential",
            environment=environment,
            wanted=frozenset({"text_encoder"}),
        )
        before, start = peak_megabytes(), time.process_time()
        text = "\n".join(["a red cube on grass"] * chosen.prompts)
        embeds = text_encode(parts.text_encoder, text=text, lines=True, progress=Recorder())
        seconds = time.process_time() - start
    print("Text encoder of Kandinsky 3, read layer by layer on the CPU\n")
    print("| in the file | layers | computed in | prompts | seconds of processor time | peak memory |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    print(
        f"| {size / 1e9:.1f} GB | {chosen.layers} | {chosen.dtype} | {embeds.batch} | {seconds:.0f} "
        f"| {peak_megabytes() / 1024:.2f} GB ({before / 1024:.2f} GB before) |"
    )


def make_checkpoint(folder: Path, config: Mapping[str, Any]) -> int:
    """A text encoder of this config, in float16, and a tokenizer for it; the bytes of its weights."""
    encoder, tokenizer = folder / "text_encoder", folder / "tokenizer"
    encoder.mkdir()
    tokenizer.mkdir()
    (encoder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, tensor in build(config, "the benchmark").state_dict().items():
        length = 2 * math.prod(tensor.shape)
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [end, end + length]}
        end += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (encoder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    pieces = [*tiny_pieces(), *((f"▁word{i}", -20.0) for i in range(30_000))]
    (tokenizer / "spiece.model").write_bytes(sentencepiece_model(pieces))
    return end


if __name__ == "__main__":
    main()
