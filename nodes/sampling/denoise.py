"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nodes.systems import SYSTEMS

if TYPE_CHECKING:
    from torch import Tensor

    from graph.node import Progress
    from nodes.sampling.denoise_task import Span, Task
    from nodes.wires import Array, UNet


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

    Row i of the noise has dice of its own, seeded with `seed` + i: first the start noise, then each step's.
    """
    import torch

    from nodes.sampling.guidance import guided
    from nodes.sampling.noise import dice, roll
    from nodes.schedulers.choose import scheduler as choose
    from nodes.schedulers.plms import PLMSRun
    from nodes.weights.residency import opened

    if unet.variant == "inpaint" and SYSTEMS[unet.system].grey and not task.masked:
        progress.warn(
            "the latents show the picture without grey in the part that is repainted, which this network was "
            "trained with; link the mask to MoVQ encode, too"
        )
    device = unet.device
    schedule = choose(unet.others.get(scheduler or "", unet.scheduler), scheduler)
    run = schedule.start(span.steps)
    weight = SYSTEMS[unet.system].weight(guidance)
    generators = dice(seed, task.rows)
    noise = (
        roll(generators, task.shape, device)
        if task.noise is None
        else torch.tensor(task.noise, device=device)
    )
    start, keep = (None if a is None else torch.tensor(a, device=device) for a in (task.start, task.keep))

    def kept(i: int) -> Tensor:
        """The start picture at the noise that step `i` begins with; clean after the last step."""
        assert start is not None
        return schedule.add_noise(start, noise, run.timesteps[i]) if i < span.steps else start

    if span.goes_on:
        assert start is not None
        x = start
        for _ in filter(run.noisy, range(span.first)):  # what the run so far has drawn
            roll(generators, task.shape)
    elif start is None or (unet.variant == "inpaint" and span.first == 0):
        x = noise
    else:
        x = kept(span.first)
    with opened(unet) as model, torch.inference_mode():
        predict = _predictor(model, unet, task, start, keep, run.timesteps[span.first : span.end])

        def led(x: Tensor, t: int) -> Tensor:
            """The network's output, guided: a row for each of the latents."""
            output = predict(x, t)
            return output if task.away is None else guided(output, weight, task.shape[0])

        for i in range(span.first, span.end):
            output = led(x, run.timesteps[i])
            if isinstance(run, PLMSRun):
                output = run.averaged(i, output, x, led)
            drawn = roll(generators, task.shape, device) if run.noisy(i) else None
            look = _preview(unet, partial(schedule.clean, output, x, run.timesteps[i]))
            x = run.step(i, output, x, drawn)
            if keep is not None and not task.masked:
                x = keep * kept(i + 1) + (1 - keep) * x
            progress.step(i - span.first + 1, span.end - span.first, look)
    painted: Array = x.cpu().numpy()
    return painted


def _predictor(
    model: Any,
    unet: UNet,
    task: Task,
    start: Tensor | None,
    keep: Tensor | None,
    times: Sequence[int],
) -> Callable[[Tensor, int], Tensor]:
    """The network with all that stays the same in place: latents (R, C, h, w), time -> its output, float32.

    With guidance the output has 2R rows, those of the negatives first.
    """
    import torch

    dtype = getattr(torch, unet.dtype)

    def placed(array: Any) -> Tensor:
        return torch.tensor(array, device=unet.device).to(dtype)

    halves = [half for half in (task.away, task.towards) if half is not None]
    lead = {name: torch.cat([placed(half[name]) for half in halves]) for name in task.towards}
    hint = {} if task.hint is None else {"hint": placed(task.hint)}
    condition = SYSTEMS[unet.system].ahead(model, model.condition(**lead, **hint), times)
    beside = None
    if unet.variant == "inpaint":
        assert start is not None and keep is not None  # planning sees to it
        shown = start if task.masked else start * keep
        parts = [keep, shown] if SYSTEMS[unet.system].grey else [shown, keep]
        beside = torch.cat(parts, dim=1)

    def predict(x: Tensor, t: int) -> Tensor:
        inputs = x if beside is None else torch.cat([x, beside], dim=1)
        output: Tensor = model(inputs.to(dtype).repeat(len(halves), 1, 1, 1), t, condition)
        return output.float()

    return predict


def _preview(unet: UNet, clean: Callable[[], Tensor]) -> Callable[[], bytes] | None:
    """Makes a small picture of what the network takes for the clean latents, if somebody looks."""
    colours = unet.preview
    if colours is None:
        return None

    def look() -> bytes:
        from nodes.sampling.latent_preview import latent_jpeg

        return latent_jpeg(clean().cpu().numpy(), colours)

    return look
