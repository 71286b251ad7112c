"""Train the CLIP pair: a text and a vision encoder that put a caption and its picture at the same place.

    python -m nodes.miniature.training.train_clip --minutes 45

Besides the contrastive loss, three helpers that are not shipped teach what little data would not: heads that
name every attribute from either embedding, a head on every patch of the picture that names the shape and
colour of the object there, and one that draws the object's outline within the patch.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from nodes.miniature.scenes import tokens
from nodes.miniature.scenes.captions import caption, full_caption, noisy_caption
from nodes.miniature.scenes.data import SEED, Data
from nodes.miniature.scenes.scenes import ATTRIBUTES, COLOURS, SHAPES, from_row
from nodes.miniature.training.training import Stage, run_stage, to_unit

WIDTH = 128  # of both encoders and of their common space
VISION_SIZE, PATCH = 64, 8
CAPTIONS = 6  # for each scene: the full one, four others, a noisy one
BATCH = 64
SPREAD = 10.0  # directions are scaled by this before a head sees them
WEIGHTS = {"contrast": 0.4, "image": 3.0, "text": 1.0, "patch": 1.5, "outline": 0.5, "length": 0.02}


def text_config() -> CLIPTextConfig:
    """Two layers; end of text is the highest token and eos_token_id 2 asks for pooling there."""
    return CLIPTextConfig(
        vocab_size=len(tokens.build()),
        hidden_size=WIDTH,
        intermediate_size=384,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokens.LENGTH,
        hidden_act="gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )


def vision_config() -> CLIPVisionConfig:
    """Four layers on 8 x 8 patches of 8 pixels."""
    return CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=384,
        projection_dim=WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=VISION_SIZE,
        patch_size=PATCH,
        hidden_act="gelu",
    )


class ClipPair(nn.Module):
    """Both encoders, and the helpers of the training."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = CLIPVisionModelWithProjection(vision_config())
        self.text = CLIPTextModelWithProjection(text_config())
        self.heads = nn.ModuleList(nn.Linear(WIDTH, classes) for classes in ATTRIBUTES.values())
        outputs = len(SHAPES) + len(COLOURS) + 2 + PATCH * PATCH
        self.patches = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, outputs))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def name(self, embeds: Tensor) -> list[Tensor]:
        """Logits of every attribute from embeddings (B, WIDTH) of either kind."""
        return [head(F.normalize(embeds, dim=-1) * SPREAD) for head in self.heads]


@dataclass(frozen=True)
class Lessons:
    """small (N, 64, 64, 3) uint8; ids (N, 64, 64) uint8; texts (N, 6, 32) int16; rows (N, 11) int64."""

    small: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    texts: NDArray[np.int16]
    rows: Tensor


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square picture at the size the vision encoder sees; as its image processor does (PIL, bicubic)."""
    return np.asarray(Image.fromarray(image).resize((VISION_SIZE, VISION_SIZE), Image.Resampling.BICUBIC))


def texts_of(row: NDArray[np.int64], number: int) -> list[str]:
    """The captions that scene `number` is taught with."""
    rng = np.random.default_rng((SEED, number, 1))
    attributes = from_row(row)
    others = [caption(attributes, rng) for _ in range(CAPTIONS - 2)]
    return [full_caption(attributes), *others, noisy_caption(attributes, rng)]


def token_table(data: Data) -> NDArray[np.int16]:
    """Token numbers (N, CAPTIONS, LENGTH) of all captions."""
    captions = [text for number, row in enumerate(data.rows) for text in texts_of(row, number)]
    table = tokens.build()(
        captions, padding="max_length", truncation=True, max_length=tokens.LENGTH
    ).input_ids
    return np.array(table, np.int16).reshape(len(data.rows), CAPTIONS, tokens.LENGTH)


def prepare(data: Data) -> Lessons:
    """Everything the training looks at, in memory."""
    small = np.stack([shrink(image) for image in data.images])
    step = data.ids.shape[1] // VISION_SIZE
    return Lessons(small, data.ids[:, ::step, ::step].copy(), token_table(data), torch.from_numpy(data.rows))


def attribute_loss(logits: list[Tensor], rows: Tensor) -> Tensor:
    """Mean cross entropy over the attributes; -1 in rows (B, 11) means that one does not apply."""
    losses = [F.cross_entropy(part, rows[:, k], ignore_index=-1) for k, part in enumerate(logits)]
    return torch.stack(losses).nan_to_num().mean()


def patch_losses(logits: Tensor, ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the patch heads: names of the object that covers most of each patch, and its outline."""
    grid = VISION_SIZE // PATCH
    cells = ids.unflatten(1, (grid, PATCH)).unflatten(3, (grid, PATCH)).transpose(2, 3).flatten(3)
    cells = cells.flatten(1, 2)  # (B, patches, pixels of the patch)
    shares = torch.stack([(cells == 1).float().mean(-1), (cells == 2).float().mean(-1)])
    which = torch.where(shares.amax(0) < 0.12, 0, shares.argmax(0) + 1)
    nothing = torch.zeros_like(rows[:, :1])
    shapes = torch.cat([nothing, rows[:, [1, 4]] + 1], 1).gather(1, which)
    colours = torch.cat([nothing, rows[:, [2, 5]] + 1], 1).gather(1, which)
    shape_logits, colour_logits, outline = logits.split(
        [len(SHAPES) + 1, len(COLOURS) + 1, PATCH * PATCH], -1
    )
    weight = (which > 0).float() + 0.03
    named = F.cross_entropy(shape_logits.mT, shapes, reduction="none")
    named = named + F.cross_entropy(colour_logits.mT, colours, reduction="none")
    return (named * weight).sum() / weight.sum(), F.binary_cross_entropy_with_logits(
        outline, (cells > 0).float()
    )


def contrast(image: Tensor, text: Tensor, log_scale: Tensor) -> Tensor:
    """CLIP's loss: each picture must find its caption among the batch's, and each caption its picture."""
    scores = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T * log_scale.exp().clamp(max=40)
    own = torch.arange(len(scores))
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def losses(pair: ClipPair, pixels: Tensor, ids: Tensor, texts: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """The parts of the loss, by the names in WEIGHTS."""
    seen = pair.vision(pixel_values=pixels)
    read = pair.text(input_ids=texts).text_embeds
    patch, outline = patch_losses(pair.patches(seen.last_hidden_state[:, 1:]), ids, rows)
    lengths = seen.image_embeds.square().mean(-1)  # kept near one: the prior need not learn them
    return {
        "contrast": contrast(seen.image_embeds, read, pair.log_scale),
        "image": attribute_loss(pair.name(seen.image_embeds), rows),
        "text": attribute_loss(pair.name(read), rows),
        "patch": patch,
        "outline": outline,
        "length": (lengths - 1).square().mean(),
    }


@torch.no_grad()
def evaluate(pair: ClipPair, lessons: Lessons, first: int) -> dict[str, Any]:
    """On held-out scenes: accuracy of the image heads, and how often a full caption finds its picture."""
    rows = lessons.rows[first:]
    image = pair.vision(pixel_values=to_unit(lessons.small[first:])).image_embeds
    text = pair.text(input_ids=torch.from_numpy(lessons.texts[first:, 0]).long()).text_embeds
    accuracy = {}
    for k, (name, logits) in enumerate(zip(ATTRIBUTES, pair.name(image), strict=True)):
        valid = rows[:, k] >= 0
        accuracy[name] = round(float((logits.argmax(1) == rows[:, k])[valid].float().mean()), 3)
    scores = F.normalize(text, dim=-1) @ F.normalize(image, dim=-1).T
    best = scores.topk(5, dim=1).indices == torch.arange(len(rows))[:, None]
    return {
        "heads": accuracy,
        "found_at_1": round(float(best[:, 0].float().mean()), 3),
        "found_at_5": round(float(best.any(1).float().mean()), 3),
        "length": round(float(image.square().mean(-1).sqrt().mean()), 3),
    }


def train(folder: Path, data: Data, minutes: float, seed: int = 12, max_steps: int | None = None) -> ClipPair:
    """Train, or go on training; returns the pair with averaged weights."""
    torch.manual_seed(seed)
    pair, lessons = ClipPair(), prepare(data)
    pair.train()
    stage = Stage(
        "clip", pair, folder, minutes=minutes, peak=1.5e-3, seed=seed, decay=0.02, max_steps=max_steps
    )
    for rng in stage.steps():
        chosen = rng.integers(0, data.training, BATCH)
        said = rng.integers(0, CAPTIONS, BATCH)
        parts = losses(
            pair,
            to_unit(lessons.small[chosen]),
            torch.from_numpy(lessons.ids[chosen]),
            torch.from_numpy(lessons.texts[chosen, said]).long(),
            lessons.rows[chosen],
        )
        loss = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
        stage.learn(loss, BATCH, **parts)
        if stage.step % 500 == 0:
            with stage.averaged_weights():
                print(evaluate(pair, lessons, data.training), flush=True)
    stage.finish()
    stage.finish(**evaluate(pair, lessons, data.training))
    return pair


def main() -> None:
    """Command line: train the CLIP pair."""
    run_stage(__doc__, 45, train)


if __name__ == "__main__":
    main()
