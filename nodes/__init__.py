"""The stages of Kandinsky as nodes, and general ones: what is imported here is in the catalogue."""

from nodes.kandinsky.depth_hint import depth_hint
from nodes.kandinsky.image_encode import image_encode
from nodes.kandinsky.interpolate import interpolate
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.prior import prior
from nodes.kandinsky.prior_emb2emb import prior_emb2emb
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.kandinsky.zero_embeds import zero_embeds
from nodes.load.load_kandinsky2 import load_decoder, load_depth_estimator, load_prior
from nodes.load.load_kandinsky3 import load_kandinsky3
from nodes.load.load_lora import load_lora
from nodes.load.load_tensors import load_tensors
from nodes.output.preview import preview
from nodes.output.save_image import save_image
from nodes.output.save_tensors import save_tensors
from nodes.picture.composite import composite
from nodes.picture.grid import grid
from nodes.picture.load_image import load_image
from nodes.picture.mask import mask
from nodes.picture.resize import resize
from nodes.values.batch import batch, pick
from nodes.values.constants import integer, note, number, seed, text

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
