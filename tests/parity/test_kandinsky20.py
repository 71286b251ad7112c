"""Kandinsky 2.0, converted from an original, computes what the slow reference makes of the original."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from diffusers.pipelines.kandinsky.pipeline_kandinsky_inpaint import prepare_mask
from safetensors.torch import load_file
from torch import Tensor
from transformers import T5Tokenizer, XLMRobertaTokenizer

import graph
from nodes.conversion import original20
from nodes.kandinsky.text_encode import text_encode
from nodes.weights.open_network import open_network
from nodes.wires import Array
from tests.nodes import tiny20
from tests.nodes.stages import Recorder, decoder_parts, smooth_picture
from tests.nodes.tiny3 import tiny_pieces
from tests.parity import reference20
from tests.parity.checkpoints import as_pillow, differ

FORWARD, PIPELINE = 1e-5, 1e-4
WORKFLOWS = Path(__file__).parents[2] / "workflows"
PROMPTS = ["a red cube on grass", "", "sand, sand! " * 60, "зелёный куб"]
BOX = {"shape": "rectangle", "area.feather": 0, "area.x": 0.25, "area.y": 0.25, "area.w": 0.5, "area.h": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted checkpoint; the original lies beside it."""
    return tiny20.tiny_decoder20(tmp_path_factory.mktemp("k20") / "decoder")


@pytest.fixture(scope="module")
def original(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-original")


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unet(original: Path, task: str) -> reference20.UNet:
    """The reference's UNet."""
    file = dict(zip(tiny20.TASKS, original20.UNETS.values(), strict=True))[task][0]
    state = tiny20.original_state(original, file)
    return reference20.UNet(state, tiny20.UNET["attention_head_dim"], tiny20.UNET["pooling_heads"])


def autoencoder(original: Path) -> reference20.Autoencoder:
    return reference20.Autoencoder(tiny20.original_state(original, original20.AUTOENCODER_FILE))


@pytest.mark.parametrize("task", tiny20.TASKS)
@pytest.mark.parametrize(("size", "t"), [((8, 8), 999), ((4, 12), 0), ((10, 2), 371)])
@torch.no_grad()
def test_unet(folder, original, task, size, t) -> None:
    channels = 9 if task == "inpaint" else 4
    x, pooled = random(2, channels, *size, seed=1), random(2, tiny20.POOLED, seed=2)
    first, second = random(2, 77, tiny20.FIRST, seed=3), random(2, 77, tiny20.SECOND, seed=4)
    expected = unet(original, task)(x, t, first, pooled, second)

    handle = decoder_parts(folder, variant=task).unet
    assert (handle.system, handle.variant) == ("2.0", task)
    network = open_network(handle, "cpu")
    filled = F.pad(second, (0, tiny20.FIRST - tiny20.SECOND), value=9.0)  # filling takes no part
    condition = network.condition(text_embeds=pooled, hidden_states=torch.cat([first, filled], dim=1))
    assert expected.std() > 0.1
    assert differ(network(x, t, condition), expected) < FORWARD


@torch.no_grad()
def test_autoencoder(folder, original) -> None:
    theirs, ours = autoencoder(original), open_network(decoder_parts(folder).movq, "cpu")
    image = random(2, 3, 24, 40, seed=1).clamp(-1, 1)
    latents = theirs.encode(image)
    assert latents.std() > 0.1 * reference20.SCALE
    assert differ(ours.encode(image), latents) < FORWARD
    assert differ(ours.decode(latents), theirs.decode(latents)) < FORWARD


def test_the_autoencoders_names_are_those_that_diffusers_gives_them(folder, original) -> None:
    state = tiny20.original_state(original, original20.AUTOENCODER_FILE)
    levels = len(tiny20.AUTOENCODER["block_out_channels"])
    config = {"down_block_types": [None] * levels, "up_block_types": [None] * levels}
    theirs = convert_ldm_vae_checkpoint(state, config)
    ours = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor.float(), theirs[name]), name


class Texts:
    """What the original's own classes of text encoders and tokenizers make of prompts."""

    def __init__(self, original: Path) -> None:
        tokenizer = XLMRobertaTokenizer.from_pretrained(original / original20.FIRST)
        self.first = tiny20.tiny_multilingual_clip(len(tokenizer), 3)
        self.second = tiny20.tiny_mt5(4)
        pieces = T5Tokenizer(vocab=tiny_pieces(), extra_ids=0)
        options = {"max_length": 77, "padding": "max_length", "truncation": True, "return_tensors": "pt"}
        self.tokenizers = [partial(each, **options) for each in (tokenizer, pieces)]

    @torch.no_grad()
    def __call__(self, prompts: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """First states, pooled, second states; and both masks."""
        one, two = (tokenize(prompts) for tokenize in self.tokenizers)
        pooled, first = self.first(one.input_ids, one.attention_mask)
        second = self.second(input_ids=two.input_ids, attention_mask=two.attention_mask).last_hidden_state
        return first, pooled, second, torch.cat([one.attention_mask, two.attention_mask], dim=1)


def test_text_encoders(folder, original) -> None:
    first, pooled, second, masks = Texts(original)(PROMPTS)
    for i, prompt in enumerate(PROMPTS):
        made = text_encode(decoder_parts(folder).text_encoder, text=prompt, progress=Recorder())
        assert (made.system, made.batch) == ("2.0", 1)
        assert made.hidden_states.shape == (1, 154, tiny20.FIRST)
        for ours, theirs in (
            (made.text_embeds, pooled[i : i + 1]),
            (made.hidden_states[:, :77], first[i : i + 1]),
            (made.hidden_states[:, 77:, : tiny20.SECOND], second[i : i + 1]),
            (made.attention_mask, masks[i : i + 1]),
            (made.empty_hidden_states[:, :77], first[1:2]),
        ):
            assert differ(ours, theirs) < FORWARD
        assert not made.hidden_states[:, 77:, tiny20.SECOND :].any()
    assert (second[0] - second[3]).abs().max() > 0.1  # the prompts are told apart


def predictor(original: Path, task: str, guidance: float, beside: Tensor | None = None) -> Any:
    """The original's guided network: latents (B, 4, h, w), time -> (B, 8, h, w)."""
    network = unet(original, task)
    first, pooled, second, _ = Texts(original)([PROMPTS[0], ""])

    def predict(x: Tensor, t: int) -> Tensor:
        inputs = x if beside is None else torch.cat([x, beside], dim=1)
        with_text, without = (
            network(inputs, t, first[i : i + 1], pooled[i : i + 1], second[i : i + 1]) for i in (0, 1)
        )
        led = without[:, :4] + guidance * (with_text[:, :4] - without[:, :4])
        return torch.cat([led, with_text[:, 4:]], dim=1)

    return predict


def picture(original: Path, latents: Tensor, width: int, height: int) -> Array:
    """Pixels (1, height, width, 3) in 0..1."""
    decoded = autoencoder(original).decode(latents)[:, :, :height, :width]
    return (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


@pytest.fixture
def paint(folder: Path, tmp_path: Path) -> Any:
    """`paint(task, **inputs)` runs a template on the tiny checkpoint; its picture as an array."""

    def run(task: str, **inputs: Any) -> Array:
        program = graph.load(WORKFLOWS / f"k20_{task}.json", output=tmp_path / "out", no_cache=True)
        made = np.asarray(program.run(decoder_source=str(folder), prompt=PROMPTS[0], **inputs)["image"])
        assert made.std() > 0.01 and ((made > 0) & (made < 1)).mean() > 0.5
        return made

    return run


def sampled(
    name: str,
    predict: reference20.Predict,
    noise: Tensor,
    draw: Callable[[], Tensor],
    steps: int,
    start: Tensor | None = None,
    strength: float = 1.0,
    done: reference20.Done = reference20.nothing,
) -> Tensor:
    """The reference's run of a sampler, from noise, or from a start picture noised so far."""
    times = (reference20.spread_times if name == "ddpm" else reference20.uniform_times)(steps)
    times = times[steps - int(steps * strength) :]
    x = noise if start is None else reference20.noised(start, noise, reference20.ALPHAS[times[0]])
    if name == "ddpm":
        return reference20.ddpm(predict, x, times, draw, done)
    return {"ddim": reference20.ddim, "plms": reference20.plms}[name](predict, x, times, done)


def dice(seed: int, width: int, height: int) -> Callable[[], Tensor]:
    """What one row of latents draws, again and again."""
    generator = torch.Generator().manual_seed(seed)
    return partial(torch.randn, 1, 4, -(-height // 16) * 2, -(-width // 16) * 2, generator=generator)


def picture_file(folder: Path, width: int, height: int) -> tuple[str, Array]:
    """A picture on disk, and the same (height, width, 3) as an array."""
    image = smooth_picture(height, width)[0]
    as_pillow(image).save(folder / "picture.png")
    return str(folder / "picture.png"), image


def encoded(original: Path, image: Array) -> Tensor:
    """The latents of a picture (height, width, 3)."""
    return autoencoder(original).encode(torch.tensor(image).permute(2, 0, 1)[None] * 2 - 1)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "plms"])
@pytest.mark.parametrize(
    ("width", "height", "steps", "guidance", "seed"), [(64, 64, 5, 7.0, 0), (45, 80, 6, 1.5, 2**33)]
)
@torch.no_grad()
def test_text_to_image(original, paint, scheduler, width, height, steps, guidance, seed) -> None:
    common = {"width": width, "height": height, "denoise.scheduler": scheduler}
    ours = paint("text_to_image", steps=steps, guidance=guidance, seed=seed, **common)
    draw = dice(seed, width, height)
    predict = predictor(original, "text2img", guidance)
    latents = sampled(scheduler, predict, draw(), draw, steps)
    assert differ(ours, picture(original, latents, width, height)) < PIPELINE


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "plms"])
@pytest.mark.parametrize("strength", [0.29, 1.0])
@torch.no_grad()
def test_image_to_image(original, paint, tmp_path, scheduler, strength) -> None:
    path, image = picture_file(tmp_path, 64, 32)
    common = {"width": 64, "height": 32, "steps": 8, "guidance": 3.0, "denoise.scheduler": scheduler}
    ours = paint("image_to_image", picture=path, strength=strength, seed=4, **common)
    draw = dice(4, 64, 32)
    predict, start = predictor(original, "text2img", 3.0), encoded(original, image)
    latents = sampled(scheduler, predict, draw(), draw, 8, start, strength)
    assert differ(ours, picture(original, latents, 64, 32)) < PIPELINE


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "plms"])
@torch.no_grad()
def test_inpainting(original, paint, tmp_path, scheduler) -> None:
    width, height = 64, 48
    path, image = picture_file(tmp_path, width, height)
    common = {"width": width, "height": height, "steps": 5, "guidance": 3.0, "denoise.scheduler": scheduler}
    ours = paint("inpainting", picture=path, seed=8, **BOX, **common)

    mask = np.zeros((height, width), np.float32)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    clean = encoded(original, image)
    outside = F.interpolate(torch.tensor(1 - mask)[None, None], clean.shape[2:], mode="nearest")
    keep = prepare_mask(outside)  # that of diffusers is the original's
    draw = dice(8, width, height)
    noise = draw()

    def bring_back(x: Tensor, share: float) -> Tensor:
        return keep * reference20.noised(clean, noise, share) + (1 - keep) * x

    predict = predictor(original, "inpaint", 3.0, beside=torch.cat([clean * keep, keep], dim=1))
    latents = sampled(scheduler, predict, noise, draw, 5, done=bring_back)
    painted = picture(original, latents, width, height)
    assert differ(ours, painted * mask[..., None] + image * (1 - mask[..., None])) < PIPELINE


def test_the_samplers_differ(paint) -> None:
    common = {"width": 32, "height": 32, "steps": 4}
    shipped, *others = (
        paint("text_to_image", **common, **{"denoise.scheduler": name})
        for name in (None, "ddim", "ddpm", "plms")
    )
    assert differ(shipped, others[0]) == 0
    assert all(differ(shipped, other) > 0.01 for other in others[1:])
