"""PLMS against diffusers' PNDMScheduler without its Runge-Kutta steps, on a network that both ask."""

import pytest
import torch
from diffusers import PNDMScheduler

from nodes.schedulers.choose import scheduler

SHAPE = (2, 4, 3, 5)
DIFFUSION = {
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "steps_offset": 1,
    "set_alpha_to_one": False,
}


ALPHAS = scheduler({"_class_name": "DDIMScheduler", **DIFFUSION}).alphas_cumprod


def predict(sample: torch.Tensor, t: int, spread: float = 0.3) -> torch.Tensor:
    """The noise in a sample of normally distributed pictures, whose means are as large as pixels are."""
    left, means = ALPHAS[t], torch.linspace(-1, 1, sample[0].numel()).view(sample.shape[1:])
    return (1 - left) ** 0.5 * (sample - left**0.5 * means) / (left * spread**2 + 1 - left)


def start() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


def ours(steps: int, first: int = 0, extra_channels: bool = False, **config: object) -> list[torch.Tensor]:
    """The sample after each step."""
    run = scheduler({"_class_name": "DDIMScheduler", "clip_sample": False, **DIFFUSION, **config}, "plms")
    run = run.start(steps)
    asked = (lambda x, t: torch.cat([predict(x, t), x * 9], dim=1)) if extra_channels else predict
    sample, made = start(), []
    for i in range(first, steps):
        assert not run.noisy(i)
        output = run.output(i, sample, asked)
        sample = run.step(i, output, sample)
        made.append(sample)
    return made


def theirs(steps: int, **config: object) -> list[torch.Tensor]:
    pndm = PNDMScheduler(skip_prk_steps=True, **{**DIFFUSION, **config})
    pndm.set_timesteps(steps)
    sample, made = start(), []
    for i, t in enumerate(pndm.timesteps.tolist()):
        sample = pndm.step(predict(sample, t), t, sample).prev_sample
        if i != 0:  # the first two make one step together
            made.append(sample)
    return made


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("to_one", [False, True])
@pytest.mark.parametrize("steps", [2, 3, 4, 5, 10, 50, 100])
def test_plms(steps: int, to_one: bool, prediction: str) -> None:
    config = {"set_alpha_to_one": to_one, "prediction_type": prediction}
    mine, yours = ours(steps, **config), theirs(steps, **config)
    assert len(mine) == len(yours) == steps
    for one, two in zip(mine, yours, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_a_single_step_is_made_twice() -> None:
    """The second look is at the same time, as there is no later one."""
    run = scheduler({"_class_name": "DDIMScheduler", "clip_sample": False, **DIFFUSION}).start(1)
    sample = start()
    (t,) = run.timesteps
    first = predict(sample, t)
    mean = (first + predict(run.step(0, first, sample), t)) / 2
    torch.testing.assert_close(ours(1)[0], run.step(0, mean, sample), atol=1e-6, rtol=0)


def test_channels_of_the_variance_are_dropped() -> None:
    for one, two in zip(ours(7, extra_channels=True), ours(7), strict=True):
        assert torch.equal(one, two)


def test_a_run_entered_later_begins_anew() -> None:
    made = ours(10, first=6)
    assert len(made) == 4
    run = scheduler({"_class_name": "DDIMScheduler", "clip_sample": False, **DIFFUSION}).start(10)
    sample = start()
    first = predict(sample, run.timesteps[6])
    mean = (first + predict(run.step(6, first, sample), run.timesteps[7])) / 2
    torch.testing.assert_close(made[0], run.step(6, mean, sample), atol=1e-6, rtol=0)


def test_it_is_more_accurate_than_ddim() -> None:
    """On a smooth network, few steps come closer to what very many make."""
    exact = ours(500)[-1]
    run = scheduler({"_class_name": "DDIMScheduler", "clip_sample": False, **DIFFUSION}).start(20)
    sample = start()
    for i, t in enumerate(run.timesteps):
        sample = run.step(i, predict(sample, t), sample)
    assert (ours(20)[-1] - exact).abs().mean() < 0.5 * (sample - exact).abs().mean()
