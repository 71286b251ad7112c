"""Device memory at each stage, at the real sizes in float16, without a device.

    python -m tests.benchmarks.bench_memory [--size 768] [--systems 2.0 2.1 2.2 3]

Networks without data are moved to PyTorch's device "meta" by the code that moves them to a GPU, and compute
there as they would on one; every byte that lives there is counted. What a GPU's driver and libraries take for
themselves is not in it. Attention is taken as fused, except with heads wider than any fused kernel's. One
picture, with guidance. "none" is what a stage needs by itself; whole tasks keep every network that they used.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nodes.conversion import original20
from nodes.encoders import multilingual_clip
from nodes.encoders import t5 as t5_encoder
from nodes.encoders import transformers_networks as encoders
from nodes.encoders import two_encoders as both_encoders
from nodes.encoders.encoder import Encoder
from nodes.encoders.two_encoders import TwoEncoders
from nodes.networks import prior_transformer
from nodes.networks.kl_autoencoder import KLAutoencoder, KLConfig
from nodes.networks.movq import MoVQ, MoVQConfig
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.networks.unet import UNet, UNetConfig
from nodes.networks.unet3 import UNet3, UNet3Config
from nodes.networks.unet20 import TextUNet, TextUNetConfig
from nodes.weights.offload import on_device, one_by_one
from tests.benchmarks.bench_networks import config_of
from tests.nodes.real_encoders import (
    CLIP_G_TEXT,
    CLIP_G_VISION,
    CLIP_L_TEXT,
    CLIP_L_VISION,
    MT5_SMALL,
    UL2,
    XLM_R,
)

DEVICE = "meta"
WIDEST_FUSED_HEAD = 256
OFFLOADS = ("none", "model", "sequential")


class Live(TorchDispatchMode):
    """Counts the bytes of storages on a device that were made inside of it and are still alive."""

    def __init__(self, device: str = DEVICE) -> None:
        super().__init__()
        self.device = device
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        before = {self._key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and leaf.device.type == self.device and self._key(leaf) not in before:
                self._count(leaf)
        return made

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def _count(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), self._key(tensor)
        if key not in self._known:
            self._known.add(key)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


class FusedAttention(TorchFunctionMode):
    """Attention that makes nothing but its result."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is nn.functional.scaled_dot_product_attention and args[0].shape[-1] <= WIDEST_FUSED_HEAD:
            query, _, value = args[:3]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Stage:
    """A network at work: how it is built, and what it is asked for one picture with guidance."""

    name: str
    network: str
    build: Callable[[], nn.Module]
    run: Callable[[Any], Any]
    encoder: Encoder | None = None
    """The kind of a text encoder: which of its layers stay float32, which are read block by block."""


@dataclass(frozen=True)
class Memory:
    """Bytes on the device while a stage runs: weights, and the peak of all with each way of offloading."""

    weights: int
    peaks: dict[str, int]

    @property
    def activations(self) -> int:
        """What is needed beside the weights."""
        return self.peaks["none"] - self.weights


def measure(stage: Stage, dtype: torch.dtype = torch.float16) -> Memory:
    """Run a stage without data, once for each way of offloading."""
    with torch.device("meta"):
        network = stage.build().to(dtype).requires_grad_(False).eval()
    for name, layer in network.named_modules():
        if stage.encoder is not None and f"{name}.weight".endswith(stage.encoder.wide or ("-",)):
            layer.float()
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    peaks = {"none": weights + peak(stage, network, nullcontext())}
    network.to_empty(device="cpu")  # nothing is written, so no memory is taken either
    peaks["model"] = peak(stage, network, on_device(network, DEVICE))
    blocks = None if stage.encoder is None else stage.encoder.blocks
    apart = one_by_one(network, DEVICE) if blocks is None else block_by_block(network, blocks)
    peaks["sequential"] = peak(stage, network, apart)
    return Memory(weights, peaks)


@contextmanager
def block_by_block(network: nn.Module, name: str) -> Iterator[None]:
    """As `nodes.weights.streaming` does it: of the blocks, only the one that computes is there."""
    blocks = network.get_submodule(name)
    outside, _, last = name.rpartition(".")
    owner = network.get_submodule(outside)
    away: dict[nn.Module, ExitStack] = {}

    def fetch(block: nn.Module, _: object) -> None:
        away[block] = ExitStack()
        away[block].enter_context(on_device(block, DEVICE))

    def let_go(block: nn.Module, _: object, __: object) -> None:
        away.pop(block).close()

    with ExitStack() as stack:
        setattr(owner, last, nn.ModuleList())
        stack.enter_context(on_device(network, DEVICE))
        setattr(owner, last, blocks)
        for block in blocks.children():
            stack.callback(block.register_forward_pre_hook(fetch).remove)
            stack.callback(block.register_forward_hook(let_go, always_call=True).remove)
        yield


def peak(stage: Stage, network: nn.Module, place: AbstractContextManager[None]) -> int:
    """The most bytes that live on the device while the stage runs."""
    with torch.inference_mode(), Live() as live, FusedAttention(), place:
        stage.run(network)
    return live.peak


def on_meta(*shape: int, dtype: torch.dtype = torch.float16) -> Tensor:
    return torch.empty(shape, device=DEVICE, dtype=dtype)


def ids(rows: int, length: int) -> Tensor:
    return on_meta(rows, length, dtype=torch.int64)


def clip_text(config: dict[str, Any]) -> Stage:
    return Stage(
        "text encode",
        "text encoder",
        lambda: encoders.text_encoder(config, ""),
        lambda net: net(input_ids=ids(2, 77)),
    )


def clip_vision(config: dict[str, Any]) -> Stage:
    pixels = (1, 3, 224, 224)
    return Stage(
        "image encode",
        "image encoder",
        lambda: encoders.image_encoder(config, ""),
        lambda net: net(pixel_values=on_meta(*pixels)),
    )


def xlm_r() -> Stage:
    """The mask is left out: without data nobody can see that nothing is masked."""
    return Stage(
        "text encode (decoder)",
        "text encoder of the decoder",
        lambda: multilingual_clip.build(XLM_R, ""),
        lambda net: net.LinearTransformation(net.transformer(input_ids=ids(2, 77))[0].mean(dim=1)),
    )


def prior(name: str) -> Stage:
    config = PriorConfig.read(config_of(name, "real"))

    def run(net: PriorTransformer) -> Tensor:
        embeds = on_meta(2, config.embedding_dim)
        with patch.object(prior_transformer, "unpadded", return_value=config.num_embeddings):
            prefix = net.prefix(embeds, on_meta(2, 77, config.embedding_dim), on_meta(2, 77))
        return net.step(embeds, torch.zeros(2), prefix)

    return Stage("prior", "prior", lambda: PriorTransformer(config), run)


def unet(name: str, label: str, size: int) -> Stage:
    config = UNetConfig.read(config_of(name, "real"))
    side = size // 8

    def run(net: UNet) -> Tensor:
        width = config.cross_attention_dim if config.reads_text else config.encoder_hid_dim
        lead = {"image_embeds": on_meta(2, width)}
        if config.reads_text:
            lead |= {
                "text_embeds": on_meta(2, width),
                "hidden_states": on_meta(2, 77, config.encoder_hid_dim),
            }
        if config.addition_embed_type == "image_hint":
            lead["hint"] = on_meta(1, 3, size, size)
        channels = 4 if "hint" in lead else config.in_channels
        x = on_meta(2, channels, side, side).to(memory_format=torch.channels_last)
        return net(x, on_meta(1), net.condition(**lead))

    return Stage(f"denoise, {label}", "unet", lambda: UNet(config).to(memory_format=torch.channels_last), run)


def movq(name: str, size: int) -> list[Stage]:
    config = MoVQConfig.read(config_of(name, "real"))
    return autoencoder_stages("MoVQ", lambda: MoVQ(config), size)


def autoencoder_stages(name: str, make: Callable[[], nn.Module], size: int) -> list[Stage]:
    side = size // 8

    def build() -> nn.Module:
        return make().to(memory_format=torch.channels_last)

    return [
        Stage(f"{name} encode", "movq", build, lambda net: net.encode(on_meta(1, 3, size, size))),
        Stage(f"{name} decode", "movq", build, lambda net: net.decode(on_meta(1, 4, side, side))),
    ]


def kandinsky22(size: int) -> list[Stage]:
    """Every stage that a task of 2.2 may have."""
    variants = {"unet22": "text or image to image", "unet22_inpaint": "inpainting", "unet22_cn": "ControlNet"}
    return [
        clip_text(CLIP_G_TEXT),
        clip_vision(CLIP_G_VISION),
        prior("prior22"),
        *(unet(name, label, size) for name, label in variants.items()),
        *movq("movq", size),
    ]


def kandinsky21(size: int) -> list[Stage]:
    """Every stage that a task of 2.1 may have."""
    variants = {"unet21": "text or image to image", "unet21_inpaint": "inpainting"}
    return [
        clip_text(CLIP_L_TEXT),
        clip_vision(CLIP_L_VISION),
        prior("prior21"),
        xlm_r(),
        *(unet(name, label, size) for name, label in variants.items()),
        *movq("movq", size),
    ]


def t5() -> Stage:
    return Stage(
        "text encode",
        "text encoder",
        lambda: t5_encoder.ENCODER.build(UL2, ""),
        lambda net: net.encoder(input_ids=ids(2, 128)),
        t5_encoder.ENCODER,
    )


def unet3(name: str, label: str, size: int) -> Stage:
    config = UNet3Config.read(config_of(name, "real"))
    times = tuple(range(981, 0, -40))

    def run(net: UNet3) -> Tensor:
        states, mask = on_meta(2, 128, config.encoder_hid_dim), on_meta(2, 128)
        condition = net.ahead(net.condition(states, mask, on_meta(2)), times)
        x = on_meta(2, config.in_channels, size // 8, size // 8).to(memory_format=torch.channels_last)
        return net(x, times[0], condition)

    return Stage(
        f"denoise, {label}", "unet", lambda: UNet3(config).to(memory_format=torch.channels_last), run
    )


def two_encoders() -> Stage:
    """The masks are left out, as for XLM-R."""

    def run(net: TwoEncoders) -> tuple[Tensor, Tensor]:
        first = net.multilingual_clip.get_submodule("transformer")(input_ids=ids(2, 77))[0]
        return first, net.mt5.get_submodule("encoder")(input_ids=ids(2, 77))[0]

    config = {"multilingual_clip": XLM_R | {"numDims": 640}, "mt5": MT5_SMALL}
    return Stage(
        "text encode",
        "text encoder",
        lambda: both_encoders.ENCODER.build(config, ""),
        run,
        encoder=both_encoders.ENCODER,
    )


def unet20(channels: int, label: str, size: int) -> Stage:
    config = TextUNetConfig.read(original20.UNET | {"in_channels": channels})

    def run(net: TextUNet) -> Tensor:
        states = on_meta(2, 154, config.encoder_hid_dim)
        x = on_meta(2, channels, size // 8, size // 8).to(memory_format=torch.channels_last)
        return net(x, on_meta(1), net.condition(on_meta(2, config.text_embed_dim), states))

    return Stage(
        f"denoise, {label}", "unet", lambda: TextUNet(config).to(memory_format=torch.channels_last), run
    )


def kandinsky20(size: int) -> list[Stage]:
    """Every stage that a task of 2.0 may have."""
    autoencoder = KLConfig.read(original20.AUTOENCODER)
    return [
        two_encoders(),
        unet20(4, "text or image to image", size),
        unet20(9, "inpainting", size),
        *autoencoder_stages("KL", lambda: KLAutoencoder(autoencoder), size),
    ]


def kandinsky3(size: int) -> list[Stage]:
    """Every stage that a task of 3 may have."""
    return [
        t5(),
        unet3("unet3", "text or image to image", size),
        unet3("unet3_inpaint", "inpainting", size),
        *movq("movq3", size),
    ]


SYSTEMS: dict[str, tuple[int, Callable[[int], list[Stage]]]] = {  # name -> usual size, stages
    "2.0": (512, kandinsky20),
    "2.1": (768, kandinsky21),
    "2.2": (768, kandinsky22),
    "3": (1024, kandinsky3),
}


def whole(stages: Mapping[Stage, Memory]) -> list[tuple[str, dict[str, int]]]:
    """Each task from beginning to end: every network that it uses stays, or one at a time is there."""
    tasks = []
    for painter in (stage for stage in stages if stage.network == "unet"):
        part = {stage: made for stage, made in stages.items() if stage.network != "unet" or stage is painter}
        kept = {stage.network: made.weights for stage, made in part.items()}
        peaks = {way: max(made.peaks[way] for made in part.values()) for way in OFFLOADS}
        peaks["none"] = sum(kept.values()) + max(made.activations for made in part.values())
        tasks.append((f"whole {painter.name.removeprefix('denoise, ')}", peaks))
    return tasks


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, help="pixels of each side of the picture; the usual ones if left out"
    )
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    options = parser.parse_args(arguments)
    print("Device memory, GB, one picture with guidance, float16\n")
    print("| Kandinsky | stage | weights | none | model | sequential |\n|" + " --- |" * 6)
    for system in options.systems:
        usual, stages = SYSTEMS[system]
        size = options.size or usual
        label = f"{system}, {size} x {size}"
        found = {stage: measure(stage) for stage in stages(size)}
        for stage, memory in found.items():
            print(row(label, stage.name, f"{memory.weights / 1e9:.2f}", memory.peaks))
            label = ""
        for task, peaks in whole(found):
            print(row("", f"*{task}*", "", peaks))


def row(label: str, name: str, weights: str, peaks: Mapping[str, int]) -> str:
    """A line of the table."""
    return f"| {' | '.join([label, name, weights, *(f'{peaks[way] / 1e9:.2f}' for way in OFFLOADS)])} |"


if __name__ == "__main__":
    main()
