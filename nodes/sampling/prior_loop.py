"""Sampling image embeds with a prior: what the nodes `prior` and `prior_emb2emb` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from graph.node import Complaint, Progress, Wanted, Wiring
from nodes.facts import Fact, misfits
from nodes.parts import ImageEncoder, Prior
from nodes.sampling.guidance import is_guided
from nodes.wires import ImageEmbeds, TextEmbeds

if TYPE_CHECKING:
    from nodes.wires import Array


T = TypeVar("T")


class PriorOutput(NamedTuple):
    """Image embeds to paint from, and those to lead away from."""

    image_embeds: ImageEmbeds
    negative_image_embeds: ImageEmbeds


@dataclass(frozen=True)
class Request:
    """What a person asks of a prior node."""

    steps: int | None
    guidance: float | None  # null where nothing is guided
    seed: int
    copies: int  # rows made of each row
    strength: float = 1.0


def recommended(wiring: Wiring) -> Mapping[str, Any]:
    """What the checkpoint recommends for the params that are null."""
    handle = wiring.values.get("prior")
    return {} if handle is None else {name: handle.recommended[name] for name in ("steps", "guidance")}


def check(wiring: Wiring) -> Iterator[Complaint]:
    """What the types of the wires do not say."""
    handle = wiring.values.get("prior")
    if handle is not None and handle.system not in ("2.1", "2.2"):
        yield Complaint("prior", f"Kandinsky {handle.system} has no prior", "a prior of Kandinsky 2.1 or 2.2")
    elif handle is not None:
        widths = dict.fromkeys(("text_embeds", "hidden_states", "image_embeds"), handle.embedding_dim)
        yield from misfits(wiring, handle.system, widths, "prior", "positive", "negative", "image", "noise")
        encoder = wiring.values.get("image_encoder")
        if encoder is not None and encoder.system != handle.system:
            message = f"this image encoder is of Kandinsky {encoder.system}, the prior is of {handle.system}"
            yield Complaint("image_encoder", message, f"an image encoder of Kandinsky {handle.system}")


def facts(wiring: Wiring) -> Mapping[str, Fact]:
    """What a prior will make."""
    handle = wiring.values.get("prior")
    if handle is None:
        return {}
    made = Fact(handle.system, {"image_embeds": handle.embedding_dim})
    return dict.fromkeys(PriorOutput._fields, made)


def unused(port: str, wiring: Wiring) -> Iterable[str]:
    """The inputs and params that do not matter for an output of `prior`.

    Without a negative prompt the negative is a constant of the image encoder, and stays in the cache.
    """
    if port == "image_embeds":
        return ("image_encoder",) if is_guided(wiring) else ("image_encoder", "negative")
    if "negative" in wiring.linked:
        return ("image_encoder", "guidance")
    sampled = ("prior", "positive", "negative", "noise")
    return (*sampled, "steps", "guidance", "seed", "images_per_prompt")


def unused_from_image(port: str, wiring: Wiring) -> Iterable[str]:
    """The same for `prior_emb2emb`."""
    constant = port == "negative_image_embeds" and "negative" not in wiring.linked
    return (*unused(port, wiring), "image", "strength") if constant else unused(port, wiring)


def run_prior(
    prior: Prior | None,
    positive: TextEmbeds | None,
    negative: TextEmbeds | None,
    image_encoder: ImageEncoder | None,
    noise: ImageEmbeds | None,
    image: ImageEmbeds | None,
    request: Request,
    wanted: Wanted,
    progress: Progress,
) -> PriorOutput:
    """What is wanted of both outputs; the other is None.

    Raises ValueError where inputs are missing or do not fit together, before any weights are opened.
    """
    from nodes.sampling.embed import zero_image_embeds

    passes = {}
    if "image_embeds" in wanted:
        text = needed(positive, "positive")
        is_guided = needed(request.guidance, "guidance") > 1
        passes["image_embeds"] = Pass(text, (negative or text.of_the_empty_prompt()) if is_guided else None)
    if "negative_image_embeds" in wanted and negative is not None:
        # Guidance from the negative prompt to itself would change nothing.
        passes["negative_image_embeds"] = Pass(negative, None)
    made: dict[str, Any] = {}
    if passes:
        found = sample(needed(prior, "prior"), list(passes.values()), noise, image, request, progress)
        made = dict(zip(passes, found, strict=True))
    if "negative_image_embeds" in wanted and negative is None:
        if image_encoder is None:
            raise ValueError(
                "negative_image_embeds without a negative prompt are those of the empty picture: "
                "link image_encoder, or a negative prompt"
            )
        made["negative_image_embeds"] = zero_image_embeds(image_encoder, progress)
    return PriorOutput(made.get("image_embeds"), made.get("negative_image_embeds"))  # type: ignore[arg-type]


def needed(value: T | None, name: str) -> T:
    """A value that a run always has; somebody who calls the node directly may have left it out."""
    if value is None:
        raise ValueError(f"{name} is needed here; only a workflow's run fills it in")
    return value


class Pass(NamedTuple):
    """Embeds to sample: led towards one text, and by guidance away from another."""

    text: TextEmbeds
    away: TextEmbeds | None


def sample(
    handle: Prior,
    passes: Sequence[Pass],
    noise: ImageEmbeds | None,
    image: ImageEmbeds | None,
    request: Request,
    progress: Progress,
) -> list[ImageEmbeds]:
    """Image embeds (R, D) for each pass, all in one run; every pass rolls the same dice.

    R is the rows of all inputs together times `request.copies`. With `image`, the run starts from these
    embeds at the noise of `request.strength`. Raises ValueError where inputs do not fit together.
    """
    from nodes.batches import count_rows, spread
    from nodes.schedulers.timesteps import first_step

    texts = list({id(text): text for one in passes for text in one if text is not None}.values())
    _check_fit(handle, [*texts, *filter(None, (noise, image))])
    batches = {f"prompt {i + 1}": text for i, text in enumerate(texts)}
    count = count_rows(request.copies, noise, **batches, image=image)
    steps = needed(request.steps, "steps")
    first = first_step(steps, request.strength) if image is not None else 0
    start = None if image is None else spread(image.image_embeds, count, request.copies)
    if start is not None and first == steps:
        return [ImageEmbeds(start, handle.system) for _ in passes]
    chosen = None if noise is None else spread(noise.image_embeds, count, request.copies)
    made = _run(handle, passes, texts, count, start, chosen, range(first, steps), request, progress)
    return [ImageEmbeds(embeds, handle.system) for embeds in made]


def _run(
    handle: Prior,
    passes: Sequence[Pass],
    texts: list[TextEmbeds],
    count: int,
    start: Array | None,
    noise: Array | None,
    numbers: range,
    request: Request,
    progress: Progress,
) -> Sequence[Array]:
    import numpy as np
    import torch

    from nodes.sampling.noise import dice, roll
    from nodes.schedulers.choose import scheduler
    from nodes.weights.residency import opened

    device, dtype = handle.device, getattr(torch, handle.dtype)
    schedule = scheduler(handle.scheduler)
    run = schedule.start(numbers.stop)
    generators = dice(request.seed, count)
    shape = (handle.embedding_dim,)
    with opened(handle) as model, torch.inference_mode():
        # The texts that lead away stand behind those that lead towards, for the passes that are guided.
        order = [one.text for one in passes] + [one.away for one in passes if one.away is not None]
        guided = (len(order) - len(passes)) * count
        prefix = _prefix(model, texts, order, count, request.copies, device, dtype)
        x = torch.tensor(noise, device=device) if noise is not None else roll(generators, shape, device)
        if start is not None:
            clean = model.normalise(torch.tensor(start, device=device))
            x = schedule.add_noise(clean, x, run.timesteps[numbers.start])
        x = x.repeat(len(passes), 1)
        for i in numbers:
            both = torch.cat([x, x[:guided]]).to(dtype)
            output = model.step(both, run.timesteps[i], prefix).float()
            output, away = output[: len(x)], output[len(x) :]
            if guided:
                weight = needed(request.guidance, "guidance")
                output = torch.cat([away + weight * (output[:guided] - away), output[guided:]])
            drawn = roll(generators, shape, device).repeat(len(passes), 1) if run.noisy(i) else None
            x = run.step(i, output, x, drawn)
            progress.step(i - numbers.start + 1, len(numbers))
        made = model.denormalise(x).cpu().numpy()
    return np.split(made, len(passes))


def _prefix(
    model: Any,
    texts: list[TextEmbeds],
    order: list[TextEmbeds],
    count: int,
    copies: int,
    device: str,
    dtype: Any,
) -> Any:
    """The prior's constant part for `count` rows of each text in `order`; equal rows are computed once."""
    import torch

    from nodes.batches import expand

    parts = [
        torch.cat([torch.tensor(getattr(text, name), device=device) for text in texts])
        for name in ("text_embeds", "hidden_states", "attention_mask")
    ]
    prefix = model.prefix(parts[0].to(dtype), parts[1].to(dtype), parts[2])
    places, offset = {}, 0
    for text in texts:
        places[id(text)] = torch.arange(offset, offset + text.batch, device=device)
        offset += text.batch
    rows = [expand(places[id(text)].cpu().numpy(), count // copies).repeat(copies) for text in order]
    return prefix.rows(torch.cat([torch.tensor(row, device=device) for row in rows]))


def _check_fit(handle: Prior, values: Sequence[TextEmbeds | ImageEmbeds]) -> None:
    for value in values:
        if value.system != handle.system:
            raise ValueError(f"these embeds are of Kandinsky {value.system}, the prior is of {handle.system}")
        for name, shape in value.shapes.items():
            if name != "attention_mask" and shape[-1] != handle.embedding_dim:
                raise ValueError(
                    f"these {name.replace('_', ' ')} have {shape[-1]} numbers a row, the prior takes "
                    f"{handle.embedding_dim}"
                )
