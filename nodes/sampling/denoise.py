"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nodes.systems import system_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from graph.node import Progress
    from nodes.parts import UNet
    from nodes.sampling.denoise_task import Span, Task
    from nodes.schedulers.tables import Schedule
    from nodes.wires import Array


def denoise(
    unet: UNet,
    task: Task,
    span: Span,
    guidance: float,
    scheduler: str | None,
    seed: int,
    progress: Progress,
) -> Array:
    """The latents (R, C, h, w) after the steps of `span`, float32.

    Row i of the noise has a generator of its own, seeded with `seed` + i: first the start noise, then each
    step's.
    """
    import torch

    from nodes.sampling.noise import dice, roll
    from nodes.schedulers.choose import scheduler as choose
    from nodes.weights.residency import opened

    _warn_without_grey(unet, task, progress)
    schedule = choose(unet.others.get(scheduler or "", unet.scheduler), scheduler)
    run = schedule.start(span.steps)
    generators = dice(seed, task.rows)
    drawn = roll(generators, task.shape) if task.noise is None else torch.tensor(task.noise)
    noise = drawn.to(unet.device)
    picture = None
    if task.start is not None:
        start = torch.tensor(task.start, device=unet.device)
        picture = StartPicture(start, noise, schedule, run.timesteps)
    x = noise
    if picture is not None and span.goes_on:
        x = picture.clean
        for _ in filter(run.noisy, range(span.first)):  # what the run so far has drawn
            roll(generators, task.shape)
    elif picture is not None and not (unet.variant == "inpaint" and span.first == 0):
        x = picture.at(span.first)
    keep = None if task.keep is None else torch.tensor(task.keep, device=unet.device)
    with opened(unet) as model, torch.inference_mode():
        times = run.timesteps[span.first : span.end]
        predict = Predictor.of(model, unet, task, guidance, picture, keep, times)
        for i in range(span.first, span.end):
            output = run.output(i, x, predict)
            step_noise = roll(generators, task.shape, unet.device) if run.noisy(i) else None
            look = _preview(unet, partial(schedule.clean, output, x, run.timesteps[i]))
            x = run.step(i, output, x, step_noise)
            if picture is not None and keep is not None and not task.masked:
                x = keep * picture.at(i + 1) + (1 - keep) * x
            progress.step(i - span.first + 1, span.end - span.first, look)
    painted: Array = x.cpu().numpy()
    return painted


@dataclass(frozen=True)
class StartPicture:
    """The latents (R, C, h, w) that a run starts from, and the noise that they are brought to."""

    clean: Tensor
    noise: Tensor
    schedule: Schedule
    timesteps: Sequence[int]

    def at(self, i: int) -> Tensor:
        """The picture at the noise that step `i` begins with; clean after the last step."""
        if i == len(self.timesteps):
            return self.clean
        return self.schedule.add_noise(self.clean, self.noise, self.timesteps[i])


@dataclass(frozen=True)
class Predictor:
    """The guided network, with all that stays the same from step to step in place."""

    model: Any
    condition: Any
    """What the model made of the embeds and the hint, of the negatives first."""
    beside: Tensor | None
    """What an inpainting UNet sees beside the latents, (R, C, h, w)."""
    dtype: torch.dtype
    weight: float | None
    """How far to go from the negative's output through the other; None without guidance."""

    @classmethod
    def of(
        cls,
        model: Any,
        unet: UNet,
        task: Task,
        guidance: float,
        picture: StartPicture | None,
        keep: Tensor | None,
        times: Sequence[int],
    ) -> Predictor:
        """The network for a run through `times`."""
        import torch

        system, dtype = system_of(unet.system), getattr(torch, unet.dtype)
        halves = [half for half in (task.negative, task.positive) if half is not None]
        arrays = {
            name: torch.cat([torch.tensor(half[name], device=unet.device).to(dtype) for half in halves])
            for name in task.positive
        }
        if task.hint is not None:
            arrays["hint"] = torch.tensor(task.hint, device=unet.device).to(dtype)
        condition = system.ahead(model, model.condition(**arrays), times)
        beside = None
        if unet.variant == "inpaint":
            assert picture is not None and keep is not None  # planning sees to it
            shown = picture.clean if task.masked else picture.clean * keep
            beside = torch.cat([keep, shown] if system.grey else [shown, keep], dim=1)
        weight = None if task.negative is None else system.weight(guidance)
        return cls(model, condition, beside, dtype, weight)

    def __call__(self, x: Tensor, t: int) -> Tensor:
        """The network's output (R, C or 2C, h, w) for the latents x (R, C, h, w) at time t, float32."""
        import torch

        from nodes.sampling.guidance import guided

        inputs = x if self.beside is None else torch.cat([x, self.beside], dim=1)
        rows = inputs.to(self.dtype).repeat(1 if self.weight is None else 2, 1, 1, 1)
        output: Tensor = self.model(rows, t, self.condition).float()
        return output if self.weight is None else guided(output, self.weight, x.shape[1])


def _warn_without_grey(unet: UNet, task: Task, progress: Progress) -> None:
    if unet.variant == "inpaint" and system_of(unet.system).grey and not task.masked:
        progress.warn(
            "the latents show the picture without grey in the part that is repainted, which this network was "
            "trained with; link the mask to MoVQ encode, too"
        )


def _preview(unet: UNet, clean: Callable[[], Tensor]) -> Callable[[], bytes] | None:
    """Makes a small picture of what the network takes for the clean latents, if somebody looks."""
    colours = unet.preview
    if colours is None:
        return None

    def look() -> bytes:
        from nodes.sampling.latent_preview import latent_jpeg

        return latent_jpeg(clean().cpu().numpy(), colours)

    return look
