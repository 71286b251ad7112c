"""Tiny random checkpoints of Kandinsky 2.1, in the layout of the real ones."""

from pathlib import Path
from typing import Any

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    KandinskyInpaintPipeline,
    KandinskyPipeline,
    KandinskyPriorPipeline,
    UnCLIPScheduler,
)
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from transformers import CLIPImageProcessorPil, XLMRobertaTokenizer

from tests.nodes import tiny

READ = 24  # size of XLM-R's states; another than that of the embeds, so that they cannot be mixed up
PIPELINES = {"text2img": KandinskyPipeline, "inpaint": KandinskyInpaintPipeline}
SHIPPED = {
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
}
DDIM = {**SHIPPED, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "thresholding": False}
DDPM = {
    **SHIPPED,
    "variance_type": "learned_range",
    "clip_sample": False,
    "clip_sample_range": 2.0,
    "thresholding": True,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 2.0,
}


def tiny_xlm_tokenizer(length: int = 512) -> XLMRobertaTokenizer:
    """XLM-R's tokenizer with letters, and the words that CLIP's tiny tokenizer knows."""
    letters = "abcdefghijklmnopqrstuvwxyz,.!?0123456789"
    pieces = ["▁", *letters, *(f"▁{letter}" for letter in letters), *(f"▁{word}" for word in tiny.WORDS)]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    unique = dict.fromkeys(pieces)
    scored = [(piece, -1.0 - i / 100) for i, piece in enumerate(sorted(unique, key=len, reverse=True))]
    vocab = [*((token, 0.0) for token in special), *scored, ("<mask>", 0.0)]
    return XLMRobertaTokenizer(vocab=vocab, model_max_length=length)


def tiny_multilingual_clip(vocab_size: int, seed: int = 6) -> MultilingualCLIP:
    """Multilingual CLIP of two layers."""
    config = MCLIPConfig(
        transformerDimSize=READ,
        imageDimSize=tiny.EMBED,
        vocab_size=vocab_size,
        hidden_size=READ,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=514,
        layer_norm_eps=1e-5,
        type_vocab_size=1,
    )
    return tiny.randomise(MultilingualCLIP(config), seed)


def tiny_unet21(variant: str = "text2img", seed: int = 1, **changes: Any) -> Any:
    """A 2.1 UNet of two levels: text2img or inpaint."""
    sizes = {
        "addition_embed_type": "text_image",
        "encoder_hid_dim": READ,
        "encoder_hid_dim_type": "text_image_proj",
        "cross_attention_dim": tiny.EMBED,
    }
    return tiny.tiny_unet(variant, seed, **{**sizes, **changes})


def tiny_prior21(path: Path, seed: int = 0) -> Path:
    """A whole prior checkpoint in the layout of kandinsky-2-1-prior; returns `path`."""
    tokenizer, size = tiny.tiny_tokenizer(), 28
    pipeline = KandinskyPriorPipeline(
        prior=tiny.tiny_prior_network(seed + 3),
        image_encoder=tiny.tiny_image_encoder(seed + 5, size),
        text_encoder=tiny.tiny_text_encoder(len(tokenizer), seed + 4),
        tokenizer=tokenizer,
        scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            num_train_timesteps=1000,
            clip_sample_range=10.0,
        ),
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        ),
    )
    pipeline.save_pretrained(path)
    return path


def tiny_decoder21(
    path: Path,
    variant: str = "text2img",
    seed: int = 0,
    movq: Any = None,
    clip: bool = False,
    **unet_changes: Any,
) -> Path:
    """A whole decoder checkpoint in the layout of kandinsky-2-1 or kandinsky-2-1-inpaint; returns `path`."""
    tokenizer = tiny_xlm_tokenizer()
    pipeline = PIPELINES[variant](
        text_encoder=tiny_multilingual_clip(len(tokenizer), seed + 6),
        tokenizer=tokenizer,
        unet=tiny_unet21(variant, seed + 1, **unet_changes),
        scheduler=DDIMScheduler(**{**DDIM, "clip_sample": clip}),
        movq=movq or tiny.tiny_movq(seed + 2),
    )
    pipeline.save_pretrained(path)
    if variant == "text2img":
        DDPMScheduler(**DDPM).save_pretrained(path / "ddpm_scheduler")
    return path
