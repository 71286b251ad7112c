"""The networks have the parameters of the real checkpoints, and refuse configs they cannot honour."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.files.legacy_keys import current_key
from nodes.networks.config import UnsupportedConfig
from nodes.networks.movq import MoVQ, MoVQConfig
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.networks.unet import UNet, UNetConfig

REAL = {
    "movq": (MoVQConfig, MoVQ),
    "movq3": (MoVQConfig, MoVQ),
    "prior21": (PriorConfig, PriorTransformer),
    "prior22": (PriorConfig, PriorTransformer),
    "unet21": (UNetConfig, UNet),
    "unet21_inpaint": (UNetConfig, UNet),
    "unet22": (UNetConfig, UNet),
    "unet22_cn": (UNetConfig, UNet),
    "unet22_inpaint": (UNetConfig, UNet),
}
PARAMETERS = {  # in thousands
    "movq": 67_832,
    "movq3": 270_669,
    "prior21": 1_022_030,
    "prior22": 1_026_226,
    "unet21": 1_228_662,
    "unet21_inpaint": 1_228_679,
    "unet22": 1_253_057,
    "unet22_cn": 1_253_429,
    "unet22_inpaint": 1_253_075,
}
# Fields that diffusers added after the real checkpoints were saved.
LATER = ("dropout", "attention_type", "reverse_transformer_layers_per_block", "mid_block_add_attention")


def real(name: str) -> dict[str, Any]:
    """The config and tensor shapes of a real checkpoint; a file may state only what differs from its base,
    and which of its tensors are `without`.
    """
    stored = json.loads((Path(__file__).parents[1] / "keys" / f"{name}.json").read_text())
    if "base" not in stored:
        return stored
    base = real(stored["base"])
    merged = {part: base[part] | stored[part] for part in ("config", "shapes")}
    for name in stored.get("without", ()):
        del merged["shapes"][name]
    return merged


@pytest.mark.parametrize("name", REAL)
def test_real_sizes_have_the_real_parameters(name):
    read, network = REAL[name]
    with torch.device("meta"):
        model = network(read.read(real(name)["config"]))
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == real(name)["shapes"]
    assert round(sum(value.numel() for value in model.parameters()) / 1000) == PARAMETERS[name]


@pytest.mark.parametrize("name", REAL)
def test_older_files_leave_out_fields(name):
    config = real(name)["config"]
    older = {field: value for field, value in config.items() if field not in LATER}
    read = REAL[name][0]
    assert read.read(older | {"_class_name": "Any", "_diffusers_version": "0.17.1"}) == read.read(config)


def wrong(value: Any) -> Any:
    """A value of the same kind that no network supports."""
    if isinstance(value, bool):
        return not value
    return {int: 7_654_321, float: 0.5, str: "no_such_thing"}.get(type(value), "no_such_thing")


UNUSED = ("sample_size", "scaling_factor")
STRICT = [
    (name, field)
    for name in ("movq", "prior22", "unet22")
    for field in real(name)["config"]
    if field not in (*UNUSED, "norm_eps")
]


@pytest.mark.parametrize(("name", "field"), STRICT)
def test_every_field_is_checked(name, field):
    config = real(name)["config"]
    value = wrong(config[field])
    with pytest.raises(UnsupportedConfig, match=field) as error:
        REAL[name][0].read(config | {field: value})
    assert repr(value) in str(error.value)
    assert "expected" in str(error.value)


@pytest.mark.parametrize("value", [True, None, "8", 0, -3, 8.0, [8], float("nan"), 1 << 40])
def test_a_size_is_a_positive_whole_number(value):
    with pytest.raises(UnsupportedConfig, match=r"layers_per_block is .*, expected a whole number from 1"):
        MoVQConfig.read(real("movq")["config"] | {"layers_per_block": value})


@pytest.mark.parametrize("value", [[], 128, [128.0, 256], ["128"], [[128]], [32] * 100])
def test_widths_are_a_list(value):
    with pytest.raises(UnsupportedConfig, match="block_out_channels"):
        UNetConfig.read(real("unet22")["config"] | {"block_out_channels": value})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("movq", {"down_block_types": ["DownEncoderBlock2D"]}, "down_block_types .* expected 4 items"),
        (
            "movq",
            {"block_out_channels": [128, 256, 256, 500]},
            "block_out_channels is 500, expected a multiple",
        ),
        ("movq", {"vq_embed_dim": 8}, "vq_embed_dim is 8, expected latent_channels, 4"),
        ("movq", {"layers_per_block": 65}, "layers_per_block is 65, expected at most 64"),
        ("unet22", {"attention_head_dim": 100}, "attention_head_dim is 100, expected a divisor"),
        (
            "unet22",
            {"attention_head_dim": [64, 64, 64, 64]},
            "attention_head_dim is .*, expected a whole number",
        ),
        (
            "unet22",
            {"addition_embed_type": "text"},
            "addition_embed_type is 'text', expected 'image' or 'image_hint'",
        ),
        ("unet22", {"freq_shift": False}, "freq_shift is False, expected 0"),
        ("prior22", {"num_layers": 257}, "num_layers is 257, expected at most 256"),
        ("prior22", {"attention_head_dim": 2049}, "num_attention_heads is 32"),
    ],
)
def test_sizes_that_do_not_go_together(name, change, message):
    with pytest.raises(UnsupportedConfig, match=message):
        REAL[name][0].read(real(name)["config"] | change)


def test_an_unknown_field_is_named_with_the_nearest_known():
    with pytest.raises(
        UnsupportedConfig, match=r"unknown field 'norm_groups' .* did you mean 'norm_num_groups'"
    ):
        MoVQConfig.read(real("movq")["config"] | {"norm_groups": 32})


@pytest.mark.parametrize("field", ["norm_type", "block_out_channels"])
def test_a_missing_field_is_named(field):
    config = real("movq")["config"]
    del config[field]
    with pytest.raises(UnsupportedConfig, match=f"{field} is missing, expected"):
        MoVQConfig.read(config)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(UnsupportedConfig) as error:
        MoVQConfig.read(real("movq")["config"] | {"act_fn": "x" * 10_000})
    assert len(str(error.value)) < 200


TINY_UNET = UNetConfig(
    in_channels=4,
    out_channels=8,
    block_out_channels=(32, 64),
    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    layers_per_block=1,
    attention_head_dim=8,
    cross_attention_dim=16,
    encoder_hid_dim=12,
    encoder_hid_dim_type="image_proj",
    addition_embed_type="image",
)


def test_unet_refuses_sizes_it_cannot_halve():
    model = UNet(TINY_UNET)
    with pytest.raises(ValueError, match="Latents are 8 x 7, expected multiples of 2"):
        model(torch.zeros(1, 4, 7, 8), 0, model.condition(torch.zeros(1, 12)))


def test_unet_refuses_a_hint_it_has_no_use_for():
    with pytest.raises(ValueError, match="takes no hint"):
        UNet(TINY_UNET).condition(torch.zeros(1, 12), torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("channels_last", [False, True])
def test_networks_train_in_bfloat16(channels_last):
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    denoiser = UNet(TINY_UNET).to(memory_format=memory_format)
    autoencoder = MoVQ(
        MoVQConfig((32, 64), ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
                   ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"), 1, 4, 12)
    ).to(memory_format=memory_format)  # fmt: skip
    with torch.autocast("cpu", dtype=torch.bfloat16):
        latents = autoencoder.encode(torch.randn(2, 3, 16, 16))
        noise = denoiser(latents, torch.tensor([3, 900]), denoiser.condition(torch.randn(2, 12)))
        loss = autoencoder.decode(latents + noise[:, :4]).float().square().mean()
    loss.backward()
    missing = [
        name for model in (denoiser, autoencoder) for name, p in model.named_parameters() if p.grad is None
    ]
    assert missing == ["quantize.embedding.weight"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_networks_run_in_half_precision(dtype):
    torch.manual_seed(0)
    denoiser = UNet(TINY_UNET)
    prior = PriorTransformer(PriorConfig(2, 8, 2, 12, 5))
    x, image_embeds = torch.randn(2, 4, 8, 8), torch.randn(2, 12)
    text = (torch.randn(2, 12), torch.randn(2, 5, 12), torch.ones(2, 5, dtype=torch.bool))
    expected = denoiser(x, 9, denoiser.condition(image_embeds)), prior(image_embeds, 9, *text)
    denoiser, prior = denoiser.to(dtype), prior.to(dtype)
    x, image_embeds = x.to(dtype), image_embeds.to(dtype)
    text = (text[0].to(dtype), text[1].to(dtype), text[2])
    outputs = denoiser(x, 9, denoiser.condition(image_embeds)), prior(image_embeds, 9, *text)
    for output, reference in zip(outputs, expected, strict=True):
        assert output.dtype is dtype
        assert (output.float() - reference).abs().max() < 0.1 * reference.abs().max()


def test_padding_changes_nothing():
    torch.manual_seed(0)
    prior = PriorTransformer(PriorConfig(2, 8, 2, 12, 7))
    x, text_embeds, hidden_states = torch.randn(2, 12), torch.randn(2, 12), torch.randn(2, 7, 12)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0]])
    changed = torch.where(mask[..., None] == 0, torch.randn(2, 7, 12), hidden_states)
    output = prior(x, 5, text_embeds, hidden_states, mask)
    assert torch.equal(output, prior(x, 5, text_embeds, changed, mask))
    alone = prior(x[:1], 5, text_embeds[:1], hidden_states[:1], mask[:1])
    assert torch.allclose(output[:1], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("encoder.mid_block.attentions.0.query.weight", "encoder.mid_block.attentions.0.to_q.weight"),
        ("decoder.up_blocks.0.attentions.2.key.bias", "decoder.up_blocks.0.attentions.2.to_k.bias"),
        ("decoder.up_blocks.0.attentions.2.value.bias", "decoder.up_blocks.0.attentions.2.to_v.bias"),
        (
            "encoder.down_blocks.3.attentions.1.proj_attn.weight",
            "encoder.down_blocks.3.attentions.1.to_out.0.weight",
        ),
        (
            "encoder.mid_block.attentions.0.group_norm.weight",
            "encoder.mid_block.attentions.0.group_norm.weight",
        ),
        ("query.weight", "query.weight"),
    ],
)
def test_old_names(old, new):
    assert current_key(old) == new


@pytest.mark.parametrize("name", REAL)
def test_new_names_are_kept(name):
    assert all(current_key(key) == key for key in real(name)["shapes"])
