"""Train the prior: from a caption's embedding to the embedding of a picture that it could describe.

    python -m nodes.miniature.training.train_prior --minutes 22
    python -m nodes.miniature.training.train_prior --further --minutes 26

One caption in ten is the empty one, for guidance. The text encoder is not trained here; it sees padding as
it will when the product runs it, and the prior gets the mask.

The prior that ships can go on, on what `tables` stored, and then learns to be led: where the noise leaves
something to see, some captions say other things than the picture shows. A prior that only knows captions that
fit believes them against all that it sees, and from a picture it goes at once to where the prompt is.
"""

from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextModelWithProjection

from nodes.miniature import WEIGHTS
from nodes.miniature.scenes import tokens
from nodes.miniature.scenes.captions import caption
from nodes.miniature.scenes.data import Data
from nodes.miniature.scenes.scenes import Attributes, Thing, from_row, sample_attributes
from nodes.miniature.training.train_clip import CAPTIONS, WIDTH, ClipPair, token_table
from nodes.miniature.training.train_unet import stratified
from nodes.miniature.training.training import Stage, load_averaged, run_stage
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.schedulers.unclip import Unclip

T = TypeVar("T")

CONFIG: dict[str, Any] = {
    "_class_name": "PriorTransformer",
    "_diffusers_version": "0.42.1",
    "added_emb_type": "prd",
    "additional_embeddings": 4,
    "attention_head_dim": 32,
    "clip_embed_dim": None,
    "dropout": 0.0,
    "embedding_dim": WIDTH,
    "embedding_proj_dim": None,
    "embedding_proj_norm_type": None,
    "encoder_hid_proj_type": "linear",
    "norm_in_type": None,
    "num_attention_heads": 4,
    "num_embeddings": tokens.LENGTH,
    "num_layers": 3,
    "time_embed_act_fn": "silu",
    "time_embed_dim": None,
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "UnCLIPScheduler",
    "_diffusers_version": "0.42.1",
    "clip_sample": True,
    "clip_sample_range": 10.0,
    "num_train_timesteps": 1000,
    "prediction_type": "sample",
    "variance_type": "fixed_small_log",
}
BATCH = 128
DROPPED = 0.1
DOUBT = 0.3  # share of captions that do not fit where there is no noise; it falls to none where all is noise


def build() -> PriorTransformer:
    """The untrained network; unlike a checkpoint's, its learned tokens must not begin at zero."""
    model = PriorTransformer(PriorConfig.read(CONFIG))
    torch.nn.init.normal_(model.positional_embedding, std=0.02)
    torch.nn.init.normal_(model.prd_embedding, std=0.02)
    return model


@torch.no_grad()
def read_texts(text: CLIPTextModelWithProjection, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (B, 32) as text embeddings (B, D), hidden states (B, 32, D) and mask (B, 32)."""
    read = text(input_ids=ids)
    lengths = (ids == ids.max()).int().argmax(1)  # the first end token is the highest number and counts
    return read.text_embeds, read.last_hidden_state, torch.arange(ids.shape[1]) <= lengths[:, None]


@torch.no_grad()
def sample(
    model: PriorTransformer,
    text: CLIPTextModelWithProjection,
    ids: Tensor,
    *,
    steps: int,
    guidance: float,
    seed: int,
) -> Tensor:
    """Image embeddings (B, D) for tokens (B, 32)."""
    generator = torch.Generator().manual_seed(seed)
    empty = torch.tensor(tokens.build()("", padding="max_length").input_ids).expand(len(ids), -1)
    prefix = model.prefix(*read_texts(text, torch.cat([empty, ids])))
    run = Unclip.read(SCHEDULER).start(steps)
    x = torch.randn(len(ids), WIDTH, generator=generator)
    for i, t in enumerate(run.timesteps):
        free, guided = model.step(torch.cat([x, x]), t, prefix).chunk(2)
        noise = torch.randn(x.shape, generator=generator) if run.noisy(i) else None
        x = run.step(i, free + guidance * (guided - free), x, noise)
    return model.denormalise(x)


def train(
    folder: Path, data: Data, minutes: float, seed: int = 13, max_steps: int | None = None
) -> PriorTransformer:
    """Train, or go on training; returns the network with averaged weights."""
    torch.manual_seed(seed)
    pair = ClipPair()
    load_averaged(pair, folder / "clip.state")
    embeds = torch.from_numpy(np.load(folder / "embeds.npy"))
    model = build()
    model.clip_mean.copy_(embeds[: data.training].mean(0, keepdim=True))
    model.clip_std.copy_(embeds[: data.training].std(0, keepdim=True))
    stage = Stage(
        "prior", model, folder, minutes=minutes, peak=1.2e-3, seed=seed, decay=0.02, max_steps=max_steps
    )
    return _learn(stage, model, pair.text, embeds, data, doubt=0.0)


def shipped() -> PriorTransformer:
    """The prior that ships, in float32."""
    model = build()
    model.load_state_dict(load_file(WEIGHTS / "prior" / "prior" / "diffusion_pytorch_model.safetensors"))
    return model


def train_further(
    folder: Path, data: Data, minutes: float, seed: int = 23, max_steps: int | None = None
) -> PriorTransformer:
    """Go on with the prior that ships, also on captions that do not fit; returns it with averaged weights."""
    torch.manual_seed(seed)
    text = CLIPTextModelWithProjection.from_pretrained(
        WEIGHTS / "prior" / "text_encoder", dtype=torch.float32
    )
    embeds = torch.from_numpy(np.load(folder / "embeds.npy"))
    model = shipped()
    stage = Stage(
        "prior_further", model, folder, minutes=minutes, peak=8e-4, seed=seed, decay=0.02, max_steps=max_steps
    )
    return _learn(stage, model, text, embeds, data.first(len(embeds)), doubt=DOUBT)


def _learn(
    stage: Stage,
    model: PriorTransformer,
    text: CLIPTextModelWithProjection,
    embeds: Tensor,
    data: Data,
    doubt: float,
) -> PriorTransformer:
    """The training itself; `doubt` as DOUBT."""
    table = torch.from_numpy(token_table(data)).long()
    tokenizer = tokens.build()
    empty = torch.tensor(tokenizer("", padding="max_length").input_ids)
    kept = Unclip.read(SCHEDULER).alphas_cumprod[:, None]
    for rng in stage.steps():
        chosen, said = rng.integers(0, data.training, BATCH), rng.integers(0, CAPTIONS, BATCH)
        t = stratified(BATCH)
        ids = table[chosen, said]
        for row in np.flatnonzero(rng.random(BATCH) < doubt * (1 - t.numpy() / 1000)):
            words = caption(doubted(from_row(data.rows[chosen[row]]), rng), rng)
            ids[row] = torch.tensor(tokenizer(words, padding="max_length").input_ids)
        dropped = torch.from_numpy(rng.random((BATCH, 1)) < DROPPED)
        ids = torch.where(dropped, empty, ids)
        clean = model.normalise(embeds[chosen])
        noisy = kept[t].sqrt() * clean + (1 - kept[t]).sqrt() * torch.randn_like(clean)
        loss = F.mse_loss(model(noisy, t, *read_texts(text, ids)), clean)
        stage.learn(loss, BATCH, mse=loss)
    stage.finish()
    rest = slice(data.training, len(embeds))
    stage.finish(likeness=likeness(model, text, table[rest, 0], embeds[rest]))
    return model


def doubted(attributes: Attributes, rng: np.random.Generator) -> Attributes:
    """A scene of which every second word, for itself, is another scene's.

    Were words doubted together, one that does not fit would make the prior doubt those that do.
    """
    other = sample_attributes(rng)

    def either(mine: T, theirs: T) -> T:
        return theirs if rng.random() < 0.5 else mine

    things = either(attributes.things, other.things)
    if len(things) == len(other.things):
        things = tuple(
            Thing(*(either(mine, theirs) for mine, theirs in zip(astuple(a), astuple(b), strict=True)))
            for a, b in zip(things, other.things, strict=True)
        )
    return Attributes(
        things,
        either(attributes.order, other.order),
        either(attributes.position, other.position),
        either(attributes.ground, other.ground),
        either(attributes.sky, other.sky),
    )


def likeness(
    model: PriorTransformer, text: CLIPTextModelWithProjection, ids: Tensor, embeds: Tensor
) -> dict[str, float]:
    """Mean cosine between sampled and true embeddings (both less their mean), by guidance."""
    result = {}
    for guidance in (1.0, 2.0, 4.0):
        made = sample(model, text, ids, steps=25, guidance=guidance, seed=0)
        alike = F.cosine_similarity(made - model.clip_mean, embeds - model.clip_mean)
        result[str(guidance)] = round(float(alike.mean()), 3)
    return result


def main() -> None:
    """Command line: train the prior, or go on with what ships."""
    run_stage(__doc__, 22, train, ("--further", train_further, "the prior that ships, after tables"))


if __name__ == "__main__":
    main()
