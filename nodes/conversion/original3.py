"""What the original Kandinsky 3 and 3.1 are: their files and, as no config says them, the sizes.

From the code of ai-forever/Kandinsky-3, which downloads the files into one folder. Flash is of 3.1 only.
"""

from typing import Any

UNETS = {
    "unet": ("kandinsky3.pt", "projection.pt", 4),
    "unet_inpaint": ("kandinsky3_inpainting.pt", "projection_inpainting.pt", 9),
    "unet_flash": ("kandinsky3_flash.pt", "projection_flash.pt", 4),
}
"""Folder: the original file, the file beside the text encoder that belongs to it, channels that go in."""
AUTOENCODER_FILE = "movq.pt"
TEXT_ENCODER = "flan_ul2_encoder"
WEIGHTS = "weights"  # where the repository on the hub has them all
LENGTH = 512  # tokens that T5 was trained with; what reads for Kandinsky takes 128

UNET: dict[str, Any] = {
    "_class_name": "Kandinsky3UNet",
    "in_channels": 4,
    "out_channels": 4,
    "time_embedding_dim": 1536,
    "groups": 32,
    "attention_head_dim": 64,
    "layers_per_block": 3,
    "block_out_channels": [384, 768, 1536, 3072],
    "cross_attention_dim": 4096,
    "encoder_hid_dim": 4096,
    "null_embedding": True,
}
AUTOENCODER: dict[str, Any] = {
    "_class_name": "VQModel",
    "block_out_channels": [256, 512, 512, 1024],
    "down_block_types": [*["DownEncoderBlock2D"] * 3, "AttnDownEncoderBlock2D"],
    "up_block_types": ["AttnUpDecoderBlock2D", *["UpDecoderBlock2D"] * 3],
    "layers_per_block": 2,
    "latent_channels": 4,
    "num_vq_embeddings": 1,  # the original's file has no codebook, and nothing uses it
    "norm_type": "spatial",
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": False,
    "steps_offset": 999,  # as far as there is room: the first step is 999
    "thresholding": True,
    "dynamic_thresholding_ratio": 0.99,
    "sample_max_value": 1e6,  # the original has no bound
}
SCHEDULERS = {
    "scheduler": SCHEDULER,
    "scheduler_inpaint": {**SCHEDULER, "dynamic_thresholding_ratio": 0.95},
}
TOKENIZER_FILES = ("spiece.model", "tokenizer.json")
TOKENIZER = {
    "tokenizer_class": "T5Tokenizer",
    "model_max_length": LENGTH,
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}
INDEX = {
    "_class_name": "Kandinsky3Pipeline",
    "movq": ["diffusers", "VQModel"],
    "scheduler": ["diffusers", "DDPMScheduler"],
    "text_encoder": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "T5Tokenizer"],
    "unet": ["diffusers", "Kandinsky3UNet"],
}
