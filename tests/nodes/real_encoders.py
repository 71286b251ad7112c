"""Configs of the real checkpoints' encoders."""

from typing import Any

# As old releases of transformers wrote them, with fields that today's do not know.
NOTES = {
    "_name_or_path": "kandinsky-community/kandinsky-2-2-prior",
    "attention_dropout": 0.0,
    "dropout": 0.0,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "torch_dtype": "float16",
    "transformers_version": "4.31.0.dev0",
}
TEXT = {
    "architectures": ["CLIPTextModelWithProjection"],
    "model_type": "clip_text_model",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
}
VISION = {
    "architectures": ["CLIPVisionModelWithProjection"],
    "model_type": "clip_vision_model",
    "image_size": 224,
    "num_channels": 3,
    "patch_size": 14,
}


def sizes(
    width: int, inner: int, layers: int, heads: int, projection: int, activation: str
) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": projection,
        "hidden_act": activation,
    }


# kandinsky-community/kandinsky-2-1, text_encoder/config.json
XLM_R = {
    "architectures": ["MultilingualCLIP"],
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "model_type": "xlm-roberta",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "output_past": True,
    "pad_token_id": 1,
    "position_embedding_type": "absolute",
    "transformers_version": "4.17.0.dev0",
    "type_vocab_size": 1,
    "use_cache": True,
    "vocab_size": 250002,
    "numDims": 768,
    "transformerDimensions": 1024,
}

CLIP_L_TEXT = NOTES | TEXT | sizes(768, 3072, 12, 12, 768, "quick_gelu")  # of 2.1's prior
CLIP_L_VISION = NOTES | VISION | sizes(1024, 4096, 24, 16, 768, "quick_gelu")
CLIP_G_TEXT = NOTES | TEXT | sizes(1280, 5120, 32, 20, 1280, "gelu")  # of 2.2's prior
CLIP_G_VISION = NOTES | VISION | sizes(1664, 8192, 48, 16, 1280, "gelu")
UL2 = {  # kandinsky-community/kandinsky-3, text_encoder/config.json
    "architectures": ["T5EncoderModel"],
    "model_type": "t5",
    "d_model": 4096,
    "d_ff": 16384,
    "d_kv": 256,
    "num_heads": 16,
    "num_layers": 32,
    "num_decoder_layers": 32,
    "feed_forward_proj": "gated-silu",
    "vocab_size": 32128,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-06,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
MT5_SMALL = {  # google/mt5-small, config.json
    "architectures": ["MT5ForConditionalGeneration"],
    "d_model": 512,
    "d_ff": 1024,
    "d_kv": 64,
    "num_heads": 6,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "feed_forward_proj": "gated-gelu",
    "vocab_size": 250112,
    "relative_attention_num_buckets": 32,
    "layer_norm_epsilon": 1e-06,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
