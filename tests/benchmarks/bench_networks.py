"""Our networks beside diffusers' on the same random weights, in one process.

    python -m tests.benchmarks.bench_networks [--size small] [--stages prior unet movq] [--steps 25]

Real sizes need 7 GB of memory, and 25 GB for the stage `unet3`, which runs only when asked for. The weights
are diffusers' initial ones, packed as the loader packs them.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import Kandinsky3UNet, UNet2DConditionModel, VQModel
from diffusers import PriorTransformer as TheirPrior
from torch import Tensor, nn

from nodes.networks.movq import MoVQ, MoVQConfig
from nodes.networks.packing import pack
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.networks.unet import UNet, UNetConfig
from nodes.networks.unet3 import UNet3, UNet3Config

KEYS = Path(__file__).parents[1] / "nodes" / "keys"
SMALL: dict[str, dict[str, Any]] = {
    "prior22": {"num_attention_heads": 8, "attention_head_dim": 32, "num_layers": 4},
    "unet22": {"block_out_channels": [64, 128, 192, 256], "attention_head_dim": 32},
    "movq": {"block_out_channels": [32, 64, 64, 128]},
    "unet3": {
        "block_out_channels": [128, 256, 512, 1024],
        "time_embedding_dim": 512,
        "cross_attention_dim": 1024,
        "encoder_hid_dim": 1024,
    },
}
GUIDANCE = 4.0


@dataclass(frozen=True)
class Measured:
    """One side of a stage: seconds of its fastest run, peak resident memory in MB, and its output."""

    seconds: float
    megabytes: float
    output: Tensor


def measure(run: Callable[[], Tensor], repeat: int) -> Measured:
    """Time `run`, after one run to warm up unless `repeat` is 1."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    seconds = []
    for _ in range(repeat if repeat == 1 else repeat + 1):
        start = time.perf_counter()
        output = run()
        seconds.append(time.perf_counter() - start)
    return Measured(min(seconds), peak_megabytes(), output)


def peak_megabytes() -> float:
    """The peak of the resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def config_of(name: str, size: str) -> dict[str, Any]:
    """The real config, or one of the same shape that is quickly built."""
    stored: dict[str, Any] = json.loads((KEYS / f"{name}.json").read_text())
    base = config_of(stored["base"], "real") if "base" in stored else {}
    config: dict[str, Any] = base | stored["config"]
    return config | (SMALL[name] if size == "small" else {})


def prepared(network: Callable[[Any], nn.Module], config: Any, weights: dict[str, Tensor]) -> Any:
    """Our network as the loader prepares it for a CPU. Empties `weights`, so that packing frees them."""
    with torch.device("meta"):
        ours = network(config)
    ours.load_state_dict(weights, assign=True)
    weights.clear()
    return pack(ours)


Pair = tuple[Measured, Measured]


def bench_prior(size: str, steps: int, words: int) -> Pair:
    """All steps of a prior with guidance, for one text of `words` tokens."""
    config = config_of("prior22", size)
    width, tokens = config["embedding_dim"], config["num_embeddings"]
    x, text_embeds, hidden_states = (
        torch.randn(1, width),
        torch.randn(2, width),
        torch.randn(2, tokens, width),
    )
    mask = torch.arange(tokens) < torch.tensor([[2], [words]])

    def loop(step: Callable[[Tensor, int], Tensor]) -> Tensor:
        sample = x
        for t in range(999, -1, -1000 // steps):
            negative, positive = step(sample.expand(2, -1), t).chunk(2)
            sample = 0.5 * sample + 0.5 * (negative + GUIDANCE * (positive - negative))
        return sample

    def theirs() -> tuple[Measured, dict[str, Tensor]]:
        model = TheirPrior(**config).eval()

        def step(sample: Tensor, t: int) -> Tensor:
            return model(sample, t, text_embeds, hidden_states, mask).predicted_image_embedding

        return measure(lambda: loop(step), repeat=1), model.state_dict()

    expected, weights = theirs()
    ours = prepared(PriorTransformer, PriorConfig.read(config), weights)

    def run() -> Tensor:
        prefix = ours.prefix(text_embeds, hidden_states, mask)
        return loop(lambda sample, t: ours.step(sample, t, prefix))

    return expected, measure(run, repeat=2)


def bench_unet(size: str, pixels: int, repeat: int) -> Pair:
    """One step of the UNet with guidance."""
    config = config_of("unet22", size)
    x, image_embeds = torch.randn(2, 4, pixels // 8, pixels // 8), torch.randn(2, config["encoder_hid_dim"])

    def theirs() -> tuple[Measured, dict[str, Tensor]]:
        model, added = UNet2DConditionModel(**config).eval(), {"image_embeds": image_embeds}
        return measure(
            lambda: model(x, 500, None, added_cond_kwargs=added).sample, repeat
        ), model.state_dict()

    expected, weights = theirs()
    ours = prepared(UNet, UNetConfig.read(config), weights)
    condition = ours.condition(image_embeds)
    return expected, measure(lambda: ours(x, 500, condition), repeat)


def bench_unet3(size: str, pixels: int, steps: int, words: int) -> Pair:
    """Steps of Kandinsky 3's UNet with guidance, for one text of `words` tokens."""
    config = config_of("unet3", size)
    x, states = torch.randn(2, 4, pixels // 8, pixels // 8), torch.randn(2, words, config["encoder_hid_dim"])
    mask, times = torch.ones(2, words), list(range(999, -1, -1000 // steps))

    def theirs() -> tuple[Measured, dict[str, Tensor]]:
        model = Kandinsky3UNet(**config).eval()
        given = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        run = partial(sum_of, lambda t: model(x, t, **given).sample, times)
        return measure(run, repeat=1), model.state_dict()

    expected, weights = theirs()
    ours = prepared(UNet3, UNet3Config.read(config), weights)

    def run() -> Tensor:
        condition = ours.condition(states, mask, torch.full((2,), float(words)))
        condition = ours.ahead(condition, times)
        return sum_of(lambda t: ours(x, t, condition), times)

    return expected, measure(run, repeat=1)


def sum_of(step: Callable[[int], Tensor], times: list[int]) -> Tensor:
    """What the steps give, together."""
    return torch.stack([step(t) for t in times]).sum(dim=0)


def bench_movq(size: str, pixels: int, repeat: int) -> Pair:
    """One picture decoded."""
    config = config_of("movq", size)
    latents = torch.randn(1, 4, pixels // 8, pixels // 8)

    def theirs() -> tuple[Measured, dict[str, Tensor]]:
        model = VQModel(**config).eval()
        return measure(
            lambda: model.decode(latents, force_not_quantize=True).sample, repeat
        ), model.state_dict()

    expected, weights = theirs()
    ours = prepared(MoVQ, MoVQConfig.read(config), weights)
    return expected, measure(lambda: ours.decode(latents), repeat)


def row(stage: str, theirs: Measured, ours: Measured) -> str:
    """A line of the table."""
    difference = (theirs.output - ours.output).abs().max().item()
    ratio = theirs.seconds / ours.seconds
    return (
        f"{stage:<36} {theirs.seconds:>9.3f} {ours.seconds:>9.3f} {ratio:>7.2f}x {difference:>11.1e}"
        f" {theirs.megabytes:>9.0f} {ours.megabytes:>9.0f}"
    )


@torch.no_grad()
def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=["real", "small"], default="real", help="size of the networks")
    parser.add_argument(
        "--stages", nargs="+", choices=["prior", "unet", "movq", "unet3"], default=["prior", "unet", "movq"]
    )
    parser.add_argument("--steps", type=int, default=25, help="steps of the prior, and of the UNet of 3")
    parser.add_argument(
        "--pixels", type=int, nargs="+", default=[256, 512], help="picture sizes; the UNet: the first"
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the fastest counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)

    threads = f"{given.threads} thread{'s' if given.threads > 1 else ''}"
    print(f"{given.size} sizes, fp32, {threads}, torch {torch.__version__}; seconds, difference, peak MB")
    print(
        f"{'stage':<36} {'diffusers':>9} {'here':>9} {'faster':>8} {'difference':>11} {'peak':>9} {'here':>9}"
    )
    if "prior" in given.stages:
        for words in (12, 77):
            pair = bench_prior(given.size, given.steps, words)
            print(row(f"prior, {given.steps} steps, {words} tokens", *pair), flush=True)
    if "unet" in given.stages:
        pixels = given.pixels[0]
        print(row(f"UNet, one step, {pixels} px", *bench_unet(given.size, pixels, given.repeat)), flush=True)
    if "unet3" in given.stages:
        pixels, steps = given.pixels[0], given.steps
        pair = bench_unet3(given.size, pixels, steps, words=32)
        print(row(f"UNet of 3, {steps} steps, {pixels} px", *pair), flush=True)
    if "movq" in given.stages:
        for pixels in given.pixels:
            print(row(f"MoVQ decode, {pixels} px", *bench_movq(given.size, pixels, given.repeat)), flush=True)


if __name__ == "__main__":
    main()
