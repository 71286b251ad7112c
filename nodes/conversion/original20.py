"""What the original Kandinsky 2.0 is: its files and, as no config says them, the sizes of its networks.

From the code of ai-forever/Kandinsky-2, which downloads the files into one folder.
"""

from typing import Any

UNETS = {"unet": ("Kandinsky-2-0.pt", 4), "unet_inpaint": ("Kandinsky-2-0-inpainting.pt", 9)}
"""Folder: the original file, and channels that go in."""
AUTOENCODER_FILE = "vae.ckpt"
FIRST, SECOND = "text_encoder1", "text_encoder2"
LENGTH = 77  # tokens that each text encoder was given in training

UNET: dict[str, Any] = {
    "_class_name": "Kandinsky20UNet",
    "in_channels": 4,
    "out_channels": 8,
    "block_out_channels": [384, 768, 1152, 1536],
    "down_block_types": ["ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3],
    "up_block_types": [*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"],
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "resnet_time_scale_shift": "scale_shift",
    "layers_per_block": 3,
    "attention_head_dim": 64,
    "cross_attention_dim": 768,
    "encoder_hid_dim": 1024,
    "second_encoder_hid_dim": 512,
    "text_embed_dim": 640,
    "pooling_heads": 8,
    "encoder_hid_dim_type": "two_text_proj",
    "addition_embed_type": "two_text",
}
AUTOENCODER: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.0512,
}
DIFFUSION = {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02, "clip_sample": False}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "scheduler": {
        "_class_name": "DDIMScheduler",
        **DIFFUSION,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "ddpm_scheduler": {
        "_class_name": "DDPMScheduler",
        **DIFFUSION,
        "variance_type": "learned_range",
        "timestep_spacing": "linspace",
        "thresholding": True,
        "dynamic_thresholding_ratio": 0.995,
        "sample_max_value": 1e6,  # the original has no bound
    },
}
RECOMMENDED = {"width": 512, "height": 512, "steps": 100, "guidance": 7.0}  # the original's defaults
TOKENIZERS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "tokenizer": (
        "text_encoder1",
        ("tokenizer.json",),
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    ),
    "tokenizer_2": (
        "text_encoder2",
        ("spiece.model", "tokenizer.json"),
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    ),
}
"""Folder: the original folder, its file with the vocabulary (the first that is there), special tokens."""
INDEX = {
    "_class_name": "Kandinsky20Pipeline",
    "ddpm_scheduler": ["diffusers", "DDPMScheduler"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["kandinsky", "TwoEncoders"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "tokenizer_2": ["transformers", "T5Tokenizer"],
    "unet": ["kandinsky", "TextUNet"],
    "vae": ["diffusers", "AutoencoderKL"],
}
