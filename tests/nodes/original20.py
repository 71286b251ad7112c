"""What the original files of Kandinsky 2.0 hold: the names and shapes of their tensors, for any sizes.

Written from the code of ai-forever/Kandinsky-2, as a list of what each layer has; the converter must make of
it what our networks have.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

Shapes = dict[str, tuple[int, ...]]


def unet_shapes(config: Mapping[str, Any]) -> Shapes:
    """Of the UNet with the sizes of `config`, in the words of our own config."""
    return dict(_unet(config))


def autoencoder_shapes(config: Mapping[str, Any]) -> Shapes:
    """Of latent diffusion's autoencoder."""
    return dict(_autoencoder(config))


def _layer(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A weight, and a bias of its first size."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _unet(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    widths, layers = config["block_out_channels"], config["layers_per_block"]
    attends = ["CrossAttn" in kind for kind in config["down_block_types"]]
    time, context = 4 * widths[0], config["cross_attention_dim"]

    def residual(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _layer(f"{name}.in_layers.0", inputs)
        yield from _layer(f"{name}.in_layers.2", outputs, inputs, 3, 3)
        yield from _layer(f"{name}.emb_layers.1", 2 * outputs, time)
        yield from _layer(f"{name}.out_layers.0", outputs)
        yield from _layer(f"{name}.out_layers.3", outputs, outputs, 3, 3)
        if inputs != outputs:
            yield from _layer(f"{name}.skip_connection", outputs, inputs, 1, 1)

    def attention(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _layer(f"{name}.norm", width)
        yield from _layer(f"{name}.qkv", 3 * width, width, 1)
        yield from _layer(f"{name}.encoder_kv", 2 * width, context, 1)
        yield from _layer(f"{name}.proj_out", width, width, 1)

    yield from _layer("time_embed.0", time, widths[0])
    yield from _layer("time_embed.2", time, time)
    yield from _layer("input_blocks.0.0", widths[0], config["in_channels"], 3, 3)
    skips, number, now = [widths[0]], 1, widths[0]
    for level, width in enumerate(widths):
        for _ in range(layers):
            yield from residual(f"input_blocks.{number}.0", now, width)
            if attends[level]:
                yield from attention(f"input_blocks.{number}.1", width)
            skips, number, now = [*skips, width], number + 1, width
        if level < len(widths) - 1:
            yield from residual(f"input_blocks.{number}.0", width, width)
            skips, number = [*skips, width], number + 1
    yield from residual("middle_block.0", now, now)
    yield from attention("middle_block.1", now)
    yield from residual("middle_block.2", now, now)
    number = 0
    for level, width in reversed([*enumerate(widths)]):
        for i in range(layers + 1):
            yield from residual(f"output_blocks.{number}.0", now + skips.pop(), width)
            if attends[level]:
                yield from attention(f"output_blocks.{number}.1", width)
            if level and i == layers:
                yield from residual(f"output_blocks.{number}.{1 + attends[level]}", width, width)
            number, now = number + 1, width
    yield from _layer("out.0", now)
    yield from _layer("out.2", config["out_channels"], now, 3, 3)

    first, second = config["encoder_hid_dim"], config["second_encoder_hid_dim"]
    yield from _layer("to_model_dim", context, first)
    yield from _layer("to_model_dim2", context, second)
    yield from _layer("proj", time, config["text_embed_dim"])
    for part in ("q_linear", "k_linear", "v_linear"):
        yield from _layer(f"proj2.{part}", second, second)
    yield from _layer("proj2.out", time, second)
    for name, width in (("ln_model1", context), ("ln_model2", time), ("ln_model3", time)):
        yield from _layer(name, width)


def _autoencoder(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    widths, layers, channels = (
        config[name] for name in ("block_out_channels", "layers_per_block", "latent_channels")
    )

    def residual(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _layer(f"{name}.norm1", inputs)
        yield from _layer(f"{name}.conv1", outputs, inputs, 3, 3)
        yield from _layer(f"{name}.norm2", outputs)
        yield from _layer(f"{name}.conv2", outputs, outputs, 3, 3)
        if inputs != outputs:
            yield from _layer(f"{name}.nin_shortcut", outputs, inputs, 1, 1)

    def middle(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        width = widths[-1]
        for block in ("block_1", "block_2"):
            yield from residual(f"{name}.{block}", width, width)
        yield from _layer(f"{name}.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            yield from _layer(f"{name}.attn_1.{part}", width, width, 1, 1)

    last = len(widths) - 1
    yield from _layer("encoder.conv_in", widths[0], 3, 3, 3)
    for level, (inputs, outputs) in enumerate(pairwise([widths[0], *widths])):
        for i in range(layers):
            yield from residual(f"encoder.down.{level}.block.{i}", outputs if i else inputs, outputs)
        if level < last:
            yield from _layer(f"encoder.down.{level}.downsample.conv", outputs, outputs, 3, 3)
    yield from middle("encoder.mid")
    yield from _layer("encoder.norm_out", widths[-1])
    yield from _layer("encoder.conv_out", 2 * channels, widths[-1], 3, 3)
    yield from _layer("decoder.conv_in", widths[-1], channels, 3, 3)
    yield from middle("decoder.mid")
    now = widths[-1]
    for level, width in reversed([*enumerate(widths)]):
        for i in range(layers + 1):
            yield from residual(f"decoder.up.{level}.block.{i}", now, width)
            now = width
        if level:
            yield from _layer(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from _layer("decoder.norm_out", widths[0])
    yield from _layer("decoder.conv_out", 3, widths[0], 3, 3)
    yield from _layer("quant_conv", 2 * channels, 2 * channels, 1, 1)
    yield from _layer("post_quant_conv", channels, channels, 1, 1)
