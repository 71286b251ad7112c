"""The stages of Kandinsky as nodes, and general ones: what is imported here is in the catalogue."""

from nodes.batch import batch, pick
from nodes.composite import composite
from nodes.constants import integer, note, number, seed, text
from nodes.depth_hint import depth_hint
from nodes.grid import grid
from nodes.image_encode import image_encode
from nodes.interpolate import interpolate
from nodes.load import load_decoder, load_depth_estimator, load_prior
from nodes.load_image import load_image
from nodes.load_kandinsky3 import load_kandinsky3
from nodes.load_lora import load_lora
from nodes.load_tensors import load_tensors
from nodes.mask import mask
from nodes.movq_decode import movq_decode
from nodes.movq_encode import movq_encode
from nodes.preview import preview
from nodes.prior import prior
from nodes.prior_emb2emb import prior_emb2emb
from nodes.resize import resize
from nodes.save_image import save_image
from nodes.save_tensors import save_tensors
from nodes.text_encode import text_encode
from nodes.unet_denoise import unet_denoise
from nodes.zero_embeds import zero_embeds

__all__ = [
    "batch",
    "composite",
    "depth_hint",
    "grid",
    "image_encode",
    "integer",
    "interpolate",
    "load_decoder",
    "load_depth_estimator",
    "load_image",
    "load_kandinsky3",
    "load_lora",
    "load_prior",
    "load_tensors",
    "mask",
    "movq_decode",
    "movq_encode",
    "note",
    "number",
    "pick",
    "preview",
    "prior",
    "prior_emb2emb",
    "resize",
    "save_image",
    "save_tensors",
    "seed",
    "text",
    "text_encode",
    "unet_denoise",
    "zero_embeds",
]
