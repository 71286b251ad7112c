"""What holds for every scheduler whatever its config, how configs are read, and where runs begin."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.schedulers.choose import scheduler
from nodes.schedulers.ddim import DDIM
from nodes.schedulers.ddpm import DDPM
from nodes.schedulers.dpmpp import DPMpp
from nodes.schedulers.tables import UnsupportedSchedule
from nodes.schedulers.timesteps import first_step
from nodes.schedulers.unclip import Unclip

CLASSES = (Unclip, DDPM, DDIM, DPMpp)
BETAS = st.sampled_from(["linear", "scaled_linear", "squaredcos_cap_v2"])
PREDICTIONS = st.sampled_from(["epsilon", "sample", "v_prediction"])
SPACINGS = st.sampled_from(["leading", "linspace", "trailing"])


@st.composite
def schedules(draw: st.DrawFn):
    """Any scheduler without clipping."""
    cls = draw(st.sampled_from(CLASSES))
    config = {"prediction_type": draw(PREDICTIONS)}
    if cls is not DPMpp:
        config["clip_sample"] = False
    if cls is not Unclip:
        config |= {
            "beta_schedule": draw(BETAS),
            "timestep_spacing": draw(SPACINGS),
            "steps_offset": draw(st.integers(0, 1)),
        }
    return cls.read(config)


def tensor(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (2, 4, 3, 3), generator=torch.Generator().manual_seed(seed))


def oracle(schedule, clean: torch.Tensor, sample: torch.Tensor, t: int) -> torch.Tensor:
    """What a network that knows the clean sample would say of `sample` at `t`, in float64."""
    left = schedule.alphas_cumprod[t].double()
    noise = (sample.double() - left.sqrt() * clean) / (1 - left).sqrt()
    velocity = left.sqrt() * noise - (1 - left).sqrt() * clean
    said = {"epsilon": noise, "sample": clean.double(), "v_prediction": velocity}
    return said[schedule.prediction_type].float()


@given(schedule=schedules(), steps=st.integers(1, 1000))
@settings(max_examples=150, deadline=None)
def test_steps_descend_within_the_table(schedule, steps: int) -> None:
    times = schedule.start(steps).timesteps
    assert len(times) == steps
    assert all(a > b for a, b in pairwise(times))
    assert 0 <= times[-1] <= times[0] <= 999


@given(schedule=schedules(), t=st.integers(0, 999), seed=st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_clean_undoes_add_noise(schedule, t: int, seed: int) -> None:
    clean, noise = tensor(seed), tensor(seed + 1)
    sample = schedule.add_noise(clean, noise, t)
    back = schedule.clean(oracle(schedule, clean, sample, t), sample, t)
    # Rounding of the sample is divided by sqrt(alpha_bar) where noise was predicted.
    lost = 1e-5 / schedule.alphas_cumprod[t].sqrt().item() if schedule.prediction_type == "epsilon" else 1e-5
    torch.testing.assert_close(back, clean, atol=lost, rtol=1e-5)


@given(
    schedule=schedules(), steps=st.integers(1, 40), strength=st.floats(0.05, 1), seed=st.integers(0, 2**31)
)
@settings(max_examples=150, deadline=None)
def test_a_network_that_knows_the_answer_is_followed_to_it(
    schedule, steps: int, strength: float, seed: int
) -> None:
    """From any start; what is left at the end is the noise of the last step's level."""
    run, clean = schedule.start(steps), tensor(seed)
    begin = first_step(steps, strength)
    if begin == steps:
        return
    sample = schedule.add_noise(clean, tensor(seed + 1), run.timesteps[begin])
    for i in range(begin, steps):
        output = oracle(schedule, clean, sample, run.timesteps[i])
        sample = run.step(i, output, sample, tensor(seed + 2 + i) if run.noisy(i) else None)
    left = math.sqrt(1 - schedule.alphas_cumprod[0]) if isinstance(schedule, DDIM) else 0.0
    # UnCLIP's table is float32, as in training: 1 - alpha_bar is 4e-5 at step 0, known to a thousandth only.
    worst = 1e-4 / schedule.alphas_cumprod[run.timesteps[-1]].sqrt().item()
    worst += 5e-3 if isinstance(schedule, Unclip) or schedule.beta_schedule == "squaredcos_cap_v2" else 0.0
    assert (sample - clean).abs().max().item() <= worst + 6 * left


@pytest.mark.parametrize("cls", CLASSES)
def test_a_run_can_be_walked_twice(cls) -> None:
    """Nothing of one walk is left for the next, also where it begins elsewhere."""
    schedule = cls()
    run = schedule.start(8)

    def walk(run, begin: int) -> torch.Tensor:
        sample = tensor(0)
        for i in range(begin, 8):
            sample = run.step(i, tensor(10 + i), sample, tensor(50 + i))
        return sample

    for begin in (0, 3, 0):
        assert torch.equal(walk(run, begin), walk(schedule.start(8), begin))


@pytest.mark.parametrize("cls", CLASSES)
def test_extra_channels_are_dropped_and_others_refused(cls) -> None:
    run = cls().start(10)
    sample, noise, output = tensor(1), tensor(2), tensor(3, 2, 8, 3, 3)
    assert torch.equal(run.step(4, output, sample, noise), run.step(4, output[:, :4], sample, noise))
    with pytest.raises(ValueError, match="6 channels; 4 or 8 fit"):
        run.step(4, output[:, :6], sample, noise)


@pytest.mark.parametrize("cls", [Unclip, DDPM])
def test_learned_variance_needs_its_channels(cls) -> None:
    run = cls.read({"variance_type": "learned_range"}).start(10)
    with pytest.raises(ValueError, match=r"learned_range.*8 output channels; the network has 4"):
        run.step(4, tensor(1), tensor(2), tensor(3))


def test_missing_noise_is_an_error() -> None:
    with pytest.raises(ValueError, match="step 2 draws noise"):
        DDPM().start(10).step(2, tensor(1), tensor(2))


def test_single_steps_and_full_tables() -> None:
    assert Unclip().start(1).timesteps == (999,)
    assert not Unclip().start(1).noisy(0)
    x0 = tensor(1, 2, 6)
    prior = Unclip.read({"prediction_type": "sample", "clip_sample_range": 10.0})
    torch.testing.assert_close(prior.start(1).step(0, x0, tensor(2, 2, 6)), x0, atol=1e-6, rtol=0)
    for cls in (DDPM, DDIM, DPMpp):
        for spacing in ("leading", "linspace", "trailing"):
            run = cls.read({"steps_offset": 1, "timestep_spacing": spacing}).start(1000)
            assert run.timesteps == tuple(range(999, -1, -1))
            assert torch.isfinite(run.step(0, tensor(1), tensor(2), tensor(3))).all()
            assert torch.isfinite(run.step(999, tensor(1), tensor(2), tensor(3))).all()
    assert DDPM.read({"steps_offset": 1}).start(999).timesteps == tuple(range(999, 0, -1))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_out_of_range(cls, steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps is {steps}.*1 to 1000"):
        cls().start(steps)


def test_draws_of_the_shipped_decoder() -> None:
    """With offset 1 every one of the N steps draws, as random states elsewhere do; the prior draws N - 1."""
    decoder = DDPM.read({"steps_offset": 1}).start(50)
    assert decoder.timesteps[:2] == (981, 961)
    assert decoder.timesteps[-1] == 1
    assert [decoder.noisy(i) for i in range(50)] == [True] * 50
    prior = Unclip().start(25)
    assert prior.timesteps[:4] == (999, 957, 916, 874)
    assert [prior.noisy(i) for i in range(25)] == [True] * 24 + [False]


@pytest.mark.parametrize(
    ("steps", "strength", "runs"),
    [(100, 0.29, 28), (100, 1.0, 100), (25, 0.3, 7), (10, 0.2, 2), (10, 0.05, 0), (1, 0.99, 0), (50, 0.0, 0)],
)
def test_strength_cuts_like_everywhere(steps: int, strength: float, runs: int) -> None:
    assert first_step(steps, strength) == steps - runs


@pytest.mark.parametrize("strength", [-0.1, 1.01, math.nan])
def test_strength_out_of_range(strength: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        first_step(10, strength)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"clip_sampel": True}, "unknown field 'clip_sampel'; nearest is 'clip_sample'"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid', supported are 'linear'"),
        ({"prediction_type": None}, "prediction_type is None"),
        ({"variance_type": "fixed_large"}, "variance_type is 'fixed_large'"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr is True, supported is False"),
        ({"trained_betas": [0.1]}, "trained_betas"),
        ({"clip_sample": 1}, "clip_sample is 1, expected bool"),
        ({"steps_offset": True}, "steps_offset is True, expected int"),
        ({"steps_offset": -5}, "steps_offset is -5"),
        ({"num_train_timesteps": 10**12}, "num_train_timesteps is 1000000000000"),
        ({"beta_start": 0.5, "beta_end": 0.1}, "beta_end is 0.1"),
        ({"beta_start": math.nan}, "beta_start is nan"),
        ({"dynamic_thresholding_ratio": 2.0}, "dynamic_thresholding_ratio is 2.0"),
    ],
)
def test_what_is_not_supported_is_named(config: dict, message: str) -> None:
    with pytest.raises(UnsupportedSchedule) as error:
        scheduler({"_class_name": "DDPMScheduler", **config})
    assert message in str(error.value)


def test_dpmpp_variants_are_refused() -> None:
    for name, value in {
        "algorithm_type": "sde-dpmsolver++",
        "solver_order": 3,
        "use_karras_sigmas": True,
    }.items():
        with pytest.raises(UnsupportedSchedule, match=name):
            scheduler({"_class_name": "DPMSolverMultistepScheduler", name: value})
    assert scheduler({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -math.inf})


def test_choosing() -> None:
    shipped = {"_class_name": "DDPMScheduler", "_diffusers_version": "0.17.0", "set_alpha_to_one": False}
    shipped |= {"beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1, "clip_sample": False}
    own = scheduler(shipped)
    assert isinstance(own, DDPM)
    assert own.steps_offset == 1
    ddim = scheduler(shipped, "ddim")
    assert isinstance(ddim, DDIM)
    assert (ddim.set_alpha_to_one, ddim.steps_offset, ddim.clip_sample) == (False, 1, False)
    dpmpp = scheduler(shipped, "dpmpp_2m")
    assert isinstance(dpmpp, DPMpp)
    assert dpmpp.timestep_spacing == "linspace"
    assert torch.equal(dpmpp.alphas_cumprod, own.alphas_cumprod)
    assert isinstance(scheduler({"beta_end": 0.012}, "ddim"), DDIM)
    prior = scheduler({"_class_name": "UnCLIPScheduler", "prediction_type": "sample"}, "dpmpp_2m")
    assert (prior.beta_schedule, prior.prediction_type) == ("squaredcos_cap_v2", "sample")


@pytest.mark.parametrize(
    ("config", "name", "message"),
    [
        ({}, None, "no _class_name"),
        ({"_class_name": "DDPMSchedulr"}, None, "nearest: DDPMScheduler"),
        ({"_class_name": ["x"]}, None, "is not supported"),
        (
            {"_class_name": "DDPMScheduler"},
            "euler",
            "unknown scheduler 'euler'; known are ddpm, ddim, dpmpp_2m, plms",
        ),
        ({"_class_name": "DDPMScheduler", "colour": 1}, "ddim", "unknown field 'colour'"),
    ],
)
def test_choosing_what_is_not_there(config: dict, name: str | None, message: str) -> None:
    with pytest.raises(UnsupportedSchedule) as error:
        scheduler(config, name)
    assert message in str(error.value)
