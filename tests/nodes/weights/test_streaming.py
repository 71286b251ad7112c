"""A text encoder that is read block by block: what memory holds, devices, and that all of it is let go."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import masking_utils

from nodes.weights.residency import Residency
from tests.benchmarks.bench_text_encoder import FLAN_UL2, make_checkpoint
from tests.nodes import tiny3

MEASURE = """
import json, sys
from pathlib import Path
from graph.context import Environment
from graph.files.allowed import Files
from nodes.load.load_kandinsky3 import load_kandinsky3
from nodes.kandinsky.text_encode import text_encode
from tests.nodes.stages import Recorder

def megabytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))

folder = Path(sys.argv[1])
parts = load_kandinsky3(source=str(folder), device="cpu", offload="sequential",
    environment=Environment(Files(folder, cwd=folder)), wanted=frozenset({"text_encoder"}))
text_encode(parts.text_encoder, text="a cube", progress=Recorder())  # what is imported stays
Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
before = megabytes("VmRSS")
text_encode(parts.text_encoder, text="a cube", progress=Recorder())
print(json.dumps([before, megabytes("VmHWM"), megabytes("VmRSS")]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
def test_memory_holds_one_block_at_a_time(tmp_path: Path) -> None:
    """24 blocks of 17 MB in float32, and an embedding of 66 MB: not 469 MB at once."""
    sizes = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 24}
    halves = make_checkpoint(tmp_path, {**FLAN_UL2, **sizes})
    whole = 2 * halves / 1e6
    assert whole > 400
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    before, peak, after = json.loads(run.stdout.splitlines()[-1])
    assert peak - before < 0.4 * whole
    assert after - before < 0.1 * whole


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The handles of a checkpoint."""
    return tiny3.kandinsky3_parts(tiny3.tiny_kandinsky3(tmp_path_factory.mktemp("streaming") / "kandinsky3"))


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_everything_used_is_on_the_device(parts: Any, offload: str, monkeypatch: Any) -> None:
    """The meta device stands in for an accelerator: mixing it with the CPU fails in the same way."""
    # transformers looks into a mask to see whether it can do without.
    monkeypatch.setattr(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_, **__: False)

    def opened(handle: Any) -> Any:
        residency = Residency({"meta": 1 << 30})
        return residency.opened(replace(handle, device="meta", offload=offload))

    with opened(parts.text_encoder) as model, torch.device("meta"), torch.inference_mode():
        hidden = model(torch.zeros(2, 128, dtype=torch.long), torch.ones(2, 128))
        assert hidden.is_meta and hidden.shape == (2, 128, tiny3.STATES)
    with opened(parts.unet) as model, torch.device("meta"), torch.inference_mode():
        condition = model.condition(hidden[:, :7], torch.ones(2, 7), torch.full((2,), 7.0))
        assert model(torch.zeros(2, 4, 8, 8), 999, model.ahead(condition, [999, 1])).is_meta
    with opened(parts.movq) as model, torch.device("meta"), torch.inference_mode():
        assert model.decode(model.encode(torch.zeros(1, 3, 64, 64))).is_meta


def test_blocks_are_empty_again_whatever_happens(parts: Any) -> None:
    handle = replace(parts.text_encoder, offload="sequential")
    with pytest.raises(RuntimeError, match="on purpose"), Residency().opened(handle) as model:
        model.encoder.block[1].register_forward_hook(_fail, prepend=True)
        model(torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 5))
    assert all(value.is_meta for value in model.encoder.block.parameters())
    assert all(not block._forward_pre_hooks for block in model.encoder.block)


def _fail(*_: object) -> None:
    raise RuntimeError("on purpose")
