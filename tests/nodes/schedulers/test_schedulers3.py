"""The samplers of Kandinsky 3's original: the four steps of Flash, and its own loop as a config of DDPM."""

import pytest
import torch

from nodes.schedulers.choose import scheduler
from nodes.schedulers.flash import Flash

SHIPPED = {
    "_class_name": "DDPMScheduler",
    "beta_schedule": "squaredcos_cap_v2",
    "clip_sample": True,
    "steps_offset": 1,
    "variance_type": "fixed_small",
}
ORIGINAL = {  # what a checkpoint converted from the original's files is sampled with
    **SHIPPED,
    "clip_sample": False,
    "thresholding": True,
    "dynamic_thresholding_ratio": 0.99,
    "sample_max_value": 1e6,
    "steps_offset": 999,
}


def tensor(seed: int) -> torch.Tensor:
    return 2 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("steps", "times"),
    [(4, (979, 729, 479, 229)), (1, (979,)), (2, (979, 479)), (980, tuple(range(979, -1, -1)))],
)
def test_flash_visits_the_steps_it_was_distilled_for(steps, times) -> None:
    run = scheduler(SHIPPED, "flash").start(steps)
    assert run.timesteps == times
    assert [run.noisy(i) for i in range(steps)] == [True] * (steps - 1) + [False]


@pytest.mark.parametrize("steps", range(1, 120))
def test_flash_descends_whatever_the_steps(steps) -> None:
    times = Flash().start(steps).timesteps
    assert times[0] == 979 and len(set(times)) == steps
    assert list(times) == sorted(times, reverse=True) and times[-1] >= 0


@pytest.mark.parametrize("steps", [0, 981, 1000])
def test_flash_refuses_steps_it_has_no_times_for(steps) -> None:
    with pytest.raises(ValueError, match=f"steps is {steps}; this checkpoint's schedule takes 1 to 980"):
        scheduler(SHIPPED, "flash").start(steps)


def test_flash_noises_what_a_step_predicts_to_the_level_of_the_next() -> None:
    schedule = scheduler(SHIPPED, "flash")
    run, x, output, noise = schedule.start(4), tensor(0), tensor(1), tensor(2)
    left = schedule.alphas_cumprod
    clean = (x - (1 - left[979]) ** 0.5 * output) / left[979] ** 0.5
    assert clean.abs().max() > 10  # and is not clipped, though the shipped scheduler clips
    torch.testing.assert_close(
        run.step(0, output, x, noise), left[729] ** 0.5 * clean + (1 - left[729]) ** 0.5 * noise
    )
    last = (x - (1 - left[229]) ** 0.5 * output) / left[229] ** 0.5
    torch.testing.assert_close(run.step(3, output, x), last)
    with pytest.raises(ValueError, match="step 0 draws noise, and none was given"):
        run.step(0, output, x)


@pytest.mark.parametrize("steps", [25, 50])
def test_the_originals_loop_is_ddpm_with_thresholds_for_each_picture(steps) -> None:
    """Its steps are DDIM's (Song et al. 2020, formula 12) with eta 1, from a prediction cut at a quantile."""
    schedule = scheduler(ORIGINAL)
    run, left = schedule.start(steps), schedule.alphas_cumprod
    assert run.timesteps == tuple(range(999, 0, -1000 // steps))
    for i in (0, 3, steps - 2):
        t, before = run.timesteps[i], left[run.timesteps[i + 1]]
        x, output, noise = tensor(i), tensor(i + 1), tensor(i + 2)
        clean = (x - (1 - left[t]) ** 0.5 * output) / left[t] ** 0.5
        most = torch.quantile(clean.flatten(1).abs(), 0.99, dim=1).clamp(min=1)[:, None, None, None]
        clean = clean.clamp(-most, most) / most
        implied = (x - left[t] ** 0.5 * clean) / (1 - left[t]) ** 0.5
        variance = (1 - left[t] / before) * (1 - before) / (1 - left[t])
        expected = before**0.5 * clean + (1 - before - variance) ** 0.5 * implied + variance**0.5 * noise
        torch.testing.assert_close(run.step(i, output, x, noise), expected, atol=1e-4, rtol=1e-4)
    x, output = tensor(0), tensor(1)
    clean = schedule.clean(output, x, run.timesteps[-1])  # where the original leaves the noise of step 0
    torch.testing.assert_close(run.step(steps - 1, output, x, tensor(2)), clean, atol=1e-4, rtol=1e-4)
