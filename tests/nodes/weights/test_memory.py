"""The arithmetic of device memory: true on tiny networks, and what it says of the real ones."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from nodes.networks.movq import MoVQ
from nodes.networks.unet import UNet
from nodes.parts import Handle
from nodes.weights.open_network import build, open_network
from nodes.weights.residency import Residency
from tests.benchmarks.bench_memory import (
    OFFLOADS,
    SYSTEMS,
    FusedAttention,
    Live,
    Memory,
    Stage,
    measure,
    peak,
    whole,
)
from tests.nodes import tiny, tiny21
from tests.nodes.stages import decoder_parts


@pytest.fixture(scope="module")
def handles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Handle]:
    """A UNet and a MoVQ large enough that a few kilobytes more or less do not count."""
    root = tmp_path_factory.mktemp("memory")
    movq = tiny.tiny_movq(channels=(64, 64, 128, 128))
    folder = tiny21.tiny_decoder21(root / "decoder", movq=movq, block_out_channels=(64, 128))
    made = decoder_parts(folder)
    return {"unet": made.unet, "movq": made.movq}


def stage(handle: Handle, device: str = "meta", size: int = 32) -> Stage:
    """One step of the UNet, or one picture of the MoVQ."""

    def run(network: Any) -> Any:
        if isinstance(network, UNet):
            lead = {
                "image_embeds": torch.zeros(2, tiny.EMBED, device=device),
                "text_embeds": torch.zeros(2, tiny.EMBED, device=device),
                "hidden_states": torch.zeros(2, 77, tiny21.READ, device=device),
            }
            x = torch.zeros(2, 4, size, size, device=device).to(memory_format=torch.channels_last)
            return network(x, torch.zeros(1, device=device), network.condition(**lead))
        assert isinstance(network, MoVQ)
        return network.decode(torch.zeros(1, 4, size, size, device=device))

    return Stage(handle.part, handle.part, lambda: build(handle), run)


@pytest.fixture(params=["unet", "movq"])
def handle(request: pytest.FixtureRequest, handles: dict[str, Handle]) -> Handle:
    return handles[request.param]


def allocated(run: Callable[[], Any]) -> int:
    """The peak of what PyTorch's allocator for the CPU gives out while `run` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled, torch.inference_mode():
        run()
    now = most = 0
    for event in profiled.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def test_what_is_counted_is_what_the_allocator_gives_out(handle: Handle) -> None:
    network, real = open_network(handle, "cpu"), stage(handle, "cpu")
    predicted = measure(stage(handle), torch.float32).activations
    actual = allocated(lambda: real.run(network))
    # Kernels for the CPU take room of their own for some convolutions and for attention.
    assert 0.95 * predicted < actual < 1.6 * predicted


def test_weights_are_those_of_the_files(handle: Handle) -> None:
    stored = sum(file.stat().st_size for file in handle.weights)
    assert measure(stage(handle), torch.float32).weights == pytest.approx(stored, rel=0.05)


def test_each_way_needs_less_than_the_one_before(handle: Handle) -> None:
    found = measure(stage(handle), torch.float32)
    assert found.peaks["model"] == pytest.approx(found.peaks["none"], rel=0.01)
    assert found.peaks["sequential"] < 0.9 * found.peaks["model"]
    assert found.peaks["sequential"] > found.activations * 0.9


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_residency_brings_and_takes_away_what_was_predicted(handle: Handle, offload: str) -> None:
    visiting = replace(handle, device="meta", offload=offload)
    residency = Residency({"cpu": 1 << 30})
    work = stage(handle)
    with residency.opened(visiting):
        pass  # building a network without data would count as well
    with torch.inference_mode(), FusedAttention(), Live() as live, residency.opened(visiting) as network:
        work.run(network)
        assert {tensor.device.type for tensor in network.parameters()} == (
            {"meta"} if offload == "model" else {"cpu"}
        )
    assert live.peak == pytest.approx(measure(work, torch.float32).peaks[offload], rel=0.02)
    assert live.now == 0  # nothing is left on the device
    assert {tensor.device.type for tensor in network.parameters()} == {"cpu"}


def test_a_live_count_forgets_what_is_let_go() -> None:
    with Live() as live:
        one = torch.zeros(1000, device="meta")
        two = one + 1
        view = two[:10]
        assert live.now == 8000
        one.add_(1)
        del one, two
        assert live.now == 4000  # the view holds it
        del view
    assert (live.now, live.peak) == (0, 8000)


def test_fused_attention_makes_nothing_but_its_result() -> None:
    query = torch.zeros(2, 4, 1000, 64, device="meta")

    def run(_: nn.Module) -> Any:
        return nn.functional.scaled_dot_product_attention(query, query, query)

    work = Stage("attention", "x", nn.Identity, run)
    assert peak(work, nn.Identity(), nullcontext()) == query.nbytes


@pytest.fixture(scope="module")
def kandinsky22() -> dict[Stage, Memory]:
    size, stages = SYSTEMS["2.2"]
    return {stage: measure(stage) for stage in stages(size)}


def test_the_whole_of_22_fits_the_promised_devices(kandinsky22: dict[Stage, Memory]) -> None:
    tasks = dict(whole(kandinsky22))
    assert len(tasks) == 3
    for peaks in tasks.values():
        assert peaks["model"] < 6e9
        assert peaks["sequential"] < 3e9
        assert 9.7e9 < peaks["none"] < 11e9
    assert sum({stage.network: memory.weights for stage, memory in kandinsky22.items()}.values()) == (
        pytest.approx(9.77e9, rel=0.01)
    )


def test_no_stage_needs_more_than_its_weights_by_surprise(kandinsky22: dict[Stage, Memory]) -> None:
    for stage_, memory in kandinsky22.items():
        assert memory.activations < 1e9, stage_.name
        assert memory.peaks["sequential"] < memory.peaks["model"]
        assert memory.peaks["model"] == pytest.approx(memory.peaks["none"], rel=0.001)


def test_the_readme_has_the_figures(kandinsky22: dict[Stage, Memory]) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    for _, peaks in whole(kandinsky22):
        figures = " | ".join(f"{peaks[way] / 1e9:.2f}" for way in OFFLOADS)
        assert f"| {figures} |" in readme
