"""Every scheduler against diffusers', step by step, on the same outputs, samples and noise."""

from __future__ import annotations

from unittest.mock import patch

import diffusers
import pytest
import torch

from nodes.schedulers.choose import scheduler

STEPS = (1, 2, 3, 5, 10, 25, 50, 100, 999)
SHAPE = (2, 4, 3, 5)
LINEAR = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012}
SHIPPED_22 = {**LINEAR, "steps_offset": 1, "clip_sample": False}
TOLERANCE = 2e-6


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def steps_of(class_name: str, config: dict, steps: int):
    """Ours (run) and theirs (scheduler with its timesteps set) for one config."""
    theirs = getattr(diffusers, class_name)(**config)
    theirs.set_timesteps(steps)
    return scheduler({"_class_name": class_name, **config}).start(steps), theirs


def assert_same_steps(class_name: str, config: dict, steps: int, first: int = 0, channels: int = 4) -> None:
    """Both walk the same path from step `first` on; where a run is long, at its ends and in between."""
    ours, theirs = steps_of(class_name, config, steps)
    assert list(ours.timesteps) == theirs.timesteps.tolist()
    sample = random(*SHAPE, seed=1)
    mine, yours = sample, sample
    for i, t in enumerate(theirs.timesteps.tolist()):
        if i < first or (steps > 100 and 5 < i < steps - 5):
            continue
        if steps > 100 and i == steps - 5:
            theirs.set_timesteps(steps)  # forgets the history, and that steps were left out
        output = random(2, channels, 3, 5, seed=100 + i)
        noise = random(*SHAPE, seed=2000 + i)
        following = theirs.timesteps[i + 1].item() if i + 1 < steps else None
        extra = {"prev_timestep": following} if class_name == "UnCLIPScheduler" else {}
        drawn = []
        module = f"diffusers.schedulers.{type(theirs).__module__.rsplit('.', 1)[1]}.randn_tensor"
        with patch(module, lambda *_, noise=noise, drawn=drawn, **__: drawn.append(1) or noise):
            yours = theirs.step(output, t, yours, **extra).prev_sample
        mine = ours.step(i, output, mine, noise if ours.noisy(i) else None)
        assert bool(drawn) == ours.noisy(i), f"step {i} (t={t})"
        assert mine.dtype == torch.float32
        scale = max(1.0, yours.abs().max().item())
        torch.testing.assert_close(
            mine, yours, atol=TOLERANCE * scale, rtol=0, msg=lambda m, i=i: f"step {i}: {m}"
        )


PREDICTIONS = ("epsilon", "sample", "v_prediction")
CLIPPING = (
    {"clip_sample": False},
    {"clip_sample": True, "clip_sample_range": 0.7},
    {"clip_sample": False, "thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5},
    {"clip_sample": True, "thresholding": True, "sample_max_value": 2.0},
)


@pytest.mark.parametrize("steps", [n for n in STEPS if n > 1])
@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_unclip(steps: int, prediction: str) -> None:
    assert_same_steps("UnCLIPScheduler", {"prediction_type": prediction, "clip_sample_range": 10.0}, steps)


@pytest.mark.parametrize(("variance", "channels"), [("fixed_small_log", 4), ("learned_range", 8)])
@pytest.mark.parametrize("clip", [True, False])
def test_unclip_flags(variance: str, channels: int, clip: bool) -> None:
    config = {
        "variance_type": variance,
        "clip_sample": clip,
        "clip_sample_range": 2.0,
        "prediction_type": "sample",
    }
    assert_same_steps("UnCLIPScheduler", config, 10, channels=channels)
    assert_same_steps("UnCLIPScheduler", config, 10, first=4, channels=channels)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("class_name", ["DDPMScheduler", "DDIMScheduler"])
def test_shipped_decoder_config(class_name: str, steps: int) -> None:
    assert_same_steps(class_name, SHIPPED_22, steps)


@pytest.mark.parametrize("steps", STEPS)
def test_kandinsky_3_config(steps: int) -> None:
    assert_same_steps("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2", "steps_offset": 1}, steps)


@pytest.mark.parametrize("clipping", CLIPPING)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("class_name", ["DDPMScheduler", "DDIMScheduler"])
@pytest.mark.parametrize("first", [0, 7])
def test_predictions_and_clipping(class_name: str, prediction: str, clipping: dict, first: int) -> None:
    assert_same_steps(class_name, {**SHIPPED_22, "prediction_type": prediction, **clipping}, 10, first)


@pytest.mark.parametrize(
    ("variance", "channels"), [("fixed_small", 4), ("fixed_small_log", 4), ("learned_range", 8)]
)
@pytest.mark.parametrize("steps", [2, 10, 50])
def test_ddpm_variance(variance: str, channels: int, steps: int) -> None:
    assert_same_steps("DDPMScheduler", {**SHIPPED_22, "variance_type": variance}, steps, channels=channels)


def test_ddpm_of_kandinsky_2_1() -> None:
    """Its `ddpm_scheduler` folder: learned variance, dynamic thresholding up to 2, no offset."""
    config = {
        **LINEAR,
        "variance_type": "learned_range",
        "thresholding": True,
        "sample_max_value": 2.0,
        "clip_sample": False,
        "clip_sample_range": 2.0,
    }
    assert_same_steps("DDPMScheduler", config, 25, channels=8)


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("class_name", ["DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_spacings_and_betas(class_name: str, spacing: str, schedule: str) -> None:
    config = {"beta_schedule": schedule, "timestep_spacing": spacing, "steps_offset": 1}
    for steps in (2, 7, 30, 64):
        assert_same_steps(class_name, config, steps)


@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("offset", [0, 1])
def test_ddim_end(to_one: bool, offset: int) -> None:
    for steps in (3, 10):
        assert_same_steps(
            "DDIMScheduler", {**LINEAR, "set_alpha_to_one": to_one, "steps_offset": offset}, steps
        )


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_dpmpp(steps: int, spacing: str) -> None:
    assert_same_steps("DPMSolverMultistepScheduler", {**LINEAR, "timestep_spacing": spacing}, steps)


@pytest.mark.parametrize("thresholding", [False, True])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("first", [0, 1, 6, 9])
def test_dpmpp_predictions(prediction: str, thresholding: bool, first: int) -> None:
    config = {**LINEAR, "prediction_type": prediction, "thresholding": thresholding, "sample_max_value": 1.5}
    assert_same_steps("DPMSolverMultistepScheduler", config, 10, first)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m"])
def test_another_scheduler_on_the_shipped_config(name: str) -> None:
    """Chosen by name it is what diffusers' from_config makes of the loaded scheduler."""
    shipped = {**SHIPPED_22, "set_alpha_to_one": False, "clip_sample": True}
    classes = {"ddim": diffusers.DDIMScheduler, "dpmpp_2m": diffusers.DPMSolverMultistepScheduler}
    theirs = classes[name].from_config(diffusers.DDPMScheduler.from_config(shipped).config)
    theirs.set_timesteps(20)
    ours = scheduler({"_class_name": "DDPMScheduler", **shipped}, name).start(20)
    assert list(ours.timesteps) == theirs.timesteps.tolist()
    mine = yours = random(*SHAPE, seed=0)
    for i, t in enumerate(theirs.timesteps):
        output = random(*SHAPE, seed=10 + i)
        yours = theirs.step(output, t, yours).prev_sample
        mine = ours.step(i, output, mine)
        torch.testing.assert_close(mine, yours, atol=1e-5, rtol=2e-6)


@pytest.mark.parametrize(
    "class_name", ["UnCLIPScheduler", "DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"]
)
def test_add_noise(class_name: str) -> None:
    config = {} if class_name == "UnCLIPScheduler" else SHIPPED_22
    theirs = getattr(diffusers, class_name)(**{k: v for k, v in config.items() if k != "clip_sample"})
    theirs.set_timesteps(1000 - 1)
    ours = scheduler({"_class_name": class_name, **config})
    sample, noise = random(*SHAPE, seed=3), random(*SHAPE, seed=4)
    for t in (999, 998, 500, 2, 1, 0):
        if t not in theirs.timesteps and class_name == "DPMSolverMultistepScheduler":
            continue
        expected = theirs.add_noise(sample, noise, torch.tensor([t]))
        torch.testing.assert_close(ours.add_noise(sample, noise, t), expected, atol=1e-6, rtol=0)


def test_half_precision_outputs_are_stepped_in_float32() -> None:
    """What a half-precision network returns is widened first, so only the network's own rounding is left."""
    run = scheduler({"_class_name": "DDPMScheduler", **SHIPPED_22}).start(50)
    sample, output, noise = (random(*SHAPE, seed=s) for s in (1, 2, 3))
    for dtype in (torch.float16, torch.bfloat16):
        stepped = run.step(10, output.to(dtype), sample, noise)
        assert stepped.dtype == torch.float32
        assert torch.equal(stepped, run.step(10, output.to(dtype).float(), sample, noise))
