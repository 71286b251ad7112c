"""Kandinsky 2.0 written once more, slowly, from its formulas and on the original's own tensors and names.

diffusers does not have this system, so the tests compare with this. Attention is written out, nothing is
shared between steps, the table of the diffusion is float64.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
Predict = Callable[[Tensor, int], Tensor]
GROUPS = 32
SCALE = 0.0512


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def conv(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    padding = weight.shape[-1] // 2 if stride == 1 else 0
    return F.conv2d(x, weight, state[f"{name}.bias"], stride=stride, padding=padding)


def group_norm(state: State, name: str, x: Tensor, eps: float) -> Tensor:
    grouped = x.reshape(len(x), GROUPS, -1)
    mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, keepdim=True, unbiased=False)
    normed = ((grouped - mean) / (variance + eps) ** 0.5).reshape(x.shape)
    return normed * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-5) ** 0.5 * state[f"{name}.weight"] + state[f"{name}.bias"]


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(L, d), (S, d), (S, d) -> (L, d)."""
    return torch.softmax(query @ key.T / query.shape[1] ** 0.5, dim=1) @ value


class UNet:
    """The original's UNet on its own tensors."""

    def __init__(self, state: State, head_dim: int, pooling_heads: int) -> None:
        self.state, self.head_dim, self.pooling_heads = state, head_dim, pooling_heads

    def __call__(self, x: Tensor, t: int, first: Tensor, pooled: Tensor, second: Tensor) -> Tensor:
        """x (B, C, h, w), states (B, 77, E1), pooled (B, D), states (B, 77, E2) -> (B, 8, h, w)."""
        state = self.state
        width = state["time_embed.0.weight"].shape[1]
        angles = t * 10_000.0 ** (-torch.arange(width // 2) / (width // 2))
        waves = torch.cat([angles.cos(), angles.sin()])
        time = linear(state, "time_embed.2", swish(linear(state, "time_embed.0", waves)))
        projected = layer_norm(state, "ln_model2", linear(state, "proj", pooled))
        embedding = time + projected + layer_norm(state, "ln_model3", self.pool(second))
        tokens = [linear(state, "to_model_dim", first), linear(state, "to_model_dim2", second)]
        context = layer_norm(state, "ln_model1", torch.cat(tokens, dim=1))

        h, skips = x, []
        for number in range(self.count("input_blocks")):
            h = self.block(f"input_blocks.{number}", h, embedding, context)
            skips.append(h)
        h = self.block("middle_block", h, embedding, context)
        for number in range(self.count("output_blocks")):
            h = torch.cat([h, skips.pop()], dim=1)
            h = self.block(f"output_blocks.{number}", h, embedding, context)
        assert not skips
        return conv(state, "out.2", swish(group_norm(state, "out.0", h, 1e-5)))

    def count(self, side: str) -> int:
        return 1 + max(int(name.split(".")[1]) for name in self.state if name.startswith(side))

    def pool(self, states: Tensor) -> Tensor:
        """Every token attends to all, and the first one is taken."""
        rows = []
        for row in states:
            parts = (linear(self.state, f"proj2.{part}_linear", row) for part in "qkv")
            heads = [part.chunk(self.pooling_heads, dim=1) for part in parts]
            gathered = torch.cat([attention(*head) for head in zip(*heads, strict=True)], dim=1)
            rows.append(linear(self.state, "proj2.out", gathered)[0])
        return torch.stack(rows)

    def block(self, name: str, h: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        depth = name.count(".") + 1
        for i in sorted({int(key.split(".")[depth]) for key in self.state if key.startswith(f"{name}.")}):
            layer = f"{name}.{i}"
            if f"{layer}.qkv.weight" in self.state:
                h = self.attend(layer, h, context)
            elif f"{layer}.in_layers.0.weight" in self.state:
                resized = self.resize(name, i)
                h = self.residual(layer, h, embedding, resized)
            else:
                h = conv(self.state, layer, h)
        return h

    def resize(self, name: str, i: int) -> Callable[[Tensor], Tensor]:
        """Halving blocks stand where a resolution ends, doubling ones behind another block."""
        if name.startswith("output_blocks") and i > 0:
            return lambda x: x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        if name in self.halving():
            return lambda x: (
                (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
            )
        return lambda x: x

    def halving(self) -> set[str]:
        """Resolutions are equally many blocks long on the way down; the last one is not halved."""
        doubling = sum(
            name.startswith("output_blocks")
            and name.endswith("in_layers.0.weight")
            and name.split(".")[2] != "0"
            for name in self.state
        )
        length = self.count("input_blocks") // (doubling + 1)
        return {f"input_blocks.{length * (i + 1)}" for i in range(doubling)}

    def residual(self, name: str, x: Tensor, embedding: Tensor, resize: Callable[[Tensor], Tensor]) -> Tensor:
        state = self.state
        h = resize(swish(group_norm(state, f"{name}.in_layers.0", x, 1e-5)))
        h = conv(state, f"{name}.in_layers.2", h)
        scale, shift = linear(state, f"{name}.emb_layers.1", swish(embedding)).chunk(2, dim=1)
        h = group_norm(state, f"{name}.out_layers.0", h, 1e-5)
        h = conv(
            state, f"{name}.out_layers.3", swish(h * (1 + scale[..., None, None]) + shift[..., None, None])
        )
        x = resize(x)
        return h + (
            conv(state, f"{name}.skip_connection", x) if f"{name}.skip_connection.weight" in state else x
        )

    def attend(self, name: str, x: Tensor, context: Tensor) -> Tensor:
        state, size = self.state, self.head_dim
        tokens = group_norm(state, f"{name}.norm", x, 1e-5).flatten(2).transpose(1, 2)
        weights = {
            part: state[f"{name}.{part}.weight"][:, :, 0] for part in ("qkv", "encoder_kv", "proj_out")
        }
        fused = tokens @ weights["qkv"].T + state[f"{name}.qkv.bias"]
        beside = context @ weights["encoder_kv"].T + state[f"{name}.encoder_kv.bias"]
        rows = []
        for row, extra in zip(fused, beside, strict=True):
            heads = []
            for head in range(row.shape[1] // (3 * size)):
                query, key, value = row[:, 3 * size * head : 3 * size * (head + 1)].split(size, dim=1)
                key_beside, value_beside = extra[:, 2 * size * head : 2 * size * (head + 1)].split(
                    size, dim=1
                )
                keys, values = torch.cat([key_beside, key]), torch.cat([value_beside, value])
                heads.append(attention(query, keys, values))
            rows.append(torch.cat(heads, dim=1) @ weights["proj_out"].T + state[f"{name}.proj_out.bias"])
        return x + torch.stack(rows).transpose(1, 2).reshape(x.shape)


class Autoencoder:
    """Latent diffusion's autoencoder on its own tensors."""

    def __init__(self, state: State) -> None:
        self.state = state

    def encode(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1..1 -> the scaled means of their latents."""
        h = conv(self.state, "encoder.conv_in", image)
        for level in range(self.count("encoder.down")):
            h = self.blocks(f"encoder.down.{level}", h)
            if f"encoder.down.{level}.downsample.conv.weight" in self.state:
                h = conv(
                    self.state, f"encoder.down.{level}.downsample.conv", F.pad(h, (0, 1, 0, 1)), stride=2
                )
        return SCALE * conv(self.state, "quant_conv", self.end("encoder", self.middle("encoder", h)))[:, :4]

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents -> pictures (B, 3, H, W) in -1..1."""
        h = conv(self.state, "decoder.conv_in", conv(self.state, "post_quant_conv", latents / SCALE))
        h = self.middle("decoder", h)
        for level in reversed(range(self.count("decoder.up"))):
            h = self.blocks(f"decoder.up.{level}", h)
            if level:
                h = h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
                h = conv(self.state, f"decoder.up.{level}.upsample.conv", h)
        return self.end("decoder", h)

    def count(self, side: str) -> int:
        return 1 + max(int(name.split(".")[2]) for name in self.state if name.startswith(side))

    def blocks(self, name: str, h: Tensor) -> Tensor:
        for i in range(
            1 + max(int(key.split(".")[4]) for key in self.state if key.startswith(f"{name}.block"))
        ):
            h = self.residual(f"{name}.block.{i}", h)
        return h

    def residual(self, name: str, x: Tensor) -> Tensor:
        state = self.state
        h = conv(state, f"{name}.conv1", swish(group_norm(state, f"{name}.norm1", x, 1e-6)))
        h = conv(state, f"{name}.conv2", swish(group_norm(state, f"{name}.norm2", h, 1e-6)))
        return h + (conv(state, f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in state else x)

    def middle(self, side: str, h: Tensor) -> Tensor:
        h = self.residual(f"{side}.mid.block_1", h)
        name = f"{side}.mid.attn_1"
        normed = group_norm(self.state, f"{name}.norm", h, 1e-6)
        parts = (conv(self.state, f"{name}.{part}", normed).flatten(2).transpose(1, 2) for part in "qkv")
        rows = torch.stack([attention(*row) for row in zip(*parts, strict=True)])
        h = h + conv(self.state, f"{name}.proj_out", rows.transpose(1, 2).reshape(h.shape))
        return self.residual(f"{side}.mid.block_2", h)

    def end(self, side: str, h: Tensor) -> Tensor:
        return conv(
            self.state, f"{side}.conv_out", swish(group_norm(self.state, f"{side}.norm_out", h, 1e-6))
        )


ALPHAS: Any = np.cumprod(1 - np.linspace(0.0001, 0.02, 1000))


Done = Callable[[Tensor, float], Tensor]
"""What is made of the latents after a step, given the share of clean variance there."""


def nothing(x: Tensor, share: float) -> Tensor:
    return x


def noised(clean: Tensor, noise: Tensor, share: float) -> Tensor:
    """Latents with so large a share of clean variance."""
    return share**0.5 * clean + (1 - share) ** 0.5 * noise


def uniform_times(steps: int) -> list[int]:
    """The training steps that DDIM and PLMS visit, first visited first."""
    stride = 1000 // steps
    return [1 + stride * i for i in reversed(range(steps))]


def spread_times(steps: int) -> list[int]:
    """Those that DDPM visits: from the last to the first."""
    return [round(999 / (steps - 1) * i) for i in reversed(range(steps))]


def ddim(predict: Predict, x: Tensor, times: list[int], done: Done = nothing) -> Tensor:
    """Song et al. 2020, formula 12 without noise; it ends at the level of the very first training step."""
    for i, t in enumerate(times):
        x = done(move(x, predict(x, t)[:, :4], times, i), level(times, i + 1))
    return x


def plms(predict: Predict, x: Tensor, times: list[int], done: Done = nothing) -> Tensor:
    """Liu et al. 2022: DDIM's move along means of the newest predictions."""
    past: list[Tensor] = []
    for i, t in enumerate(times):
        noise = predict(x, t)[:, :4]
        if not past:
            there = move(x, noise, times, i)
            mean = (noise + predict(there, times[min(i + 1, len(times) - 1)])[:, :4]) / 2
        elif len(past) == 1:
            mean = (3 * noise - past[-1]) / 2
        elif len(past) == 2:
            mean = (23 * noise - 16 * past[-1] + 5 * past[-2]) / 12
        else:
            mean = (55 * noise - 59 * past[-1] + 37 * past[-2] - 9 * past[-3]) / 24
        past.append(noise)
        x = done(move(x, mean, times, i), level(times, i + 1))
    return x


def move(x: Tensor, noise: Tensor, times: list[int], i: int) -> Tensor:
    now, after = ALPHAS[times[i]], ALPHAS[times[i + 1] if i + 1 < len(times) else 0]
    clean = (x - (1 - now) ** 0.5 * noise) / now**0.5
    return after**0.5 * clean + (1 - after) ** 0.5 * noise


def level(times: list[int], i: int) -> float:
    """The share of clean variance where step `i` begins; 1 after the last."""
    return ALPHAS[times[i]] if i < len(times) else 1.0


def ddpm(
    predict: Predict, x: Tensor, times: list[int], draw: Callable[[], Tensor], done: Done = nothing
) -> Tensor:
    """Nichol & Dhariwal 2021, section 3.1: the variance is learned, between the posterior's and beta.

    What is taken for clean is thresholded (Saharia et al. 2022, section 2.3), without a largest threshold.
    """
    for i, t in enumerate(times):
        now, before = ALPHAS[t], level(times, i + 1)
        beta = 1 - now / before
        noise, share = predict(x, t).chunk(2, dim=1)
        clean = (x - (1 - now) ** 0.5 * noise) / now**0.5
        bound = torch.quantile(clean.abs().flatten(1), 0.995, dim=1).clamp(min=1)[:, None, None, None]
        clean = clean.clamp(-bound, bound) / bound
        of_x = (now / before) ** 0.5 * (1 - before) / (1 - now)
        x = before**0.5 * beta / (1 - now) * clean + of_x * x
        if t > 0:
            least = np.log(beta * (1 - before) / (1 - now))
            share = (share + 1) / 2
            x = x + torch.exp((share * np.log(beta) + (1 - share) * least) / 2) * draw()
        x = done(x, before)
    return x
