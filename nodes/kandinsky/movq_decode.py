"""Latents into pictures."""

from collections.abc import Iterator
from typing import Annotated

from graph.node import Complaint, Progress, Wiring, node
from nodes.facts import misfits
from nodes.parts import MoVQ
from nodes.wires import Image, Latents


def _check(wiring: Wiring) -> Iterator[Complaint]:
    movq = wiring.values.get("movq")
    if movq is not None:
        yield from misfits(wiring, movq.system, {}, "MoVQ", "latents")


@node(title="MoVQ decode", group="Kandinsky", check=_check)
def movq_decode(
    movq: Annotated[MoVQ, "The network between pixels and latents."],
    latents: Annotated[Latents, "What to make pictures of."],
    *,
    progress: Progress,
) -> Image:
    """Make pictures of latents, of exactly the size that was asked for."""
    import torch

    from nodes.weights.residency import opened

    _check_fit(movq, latents)
    rows = []
    with opened(movq) as model, torch.inference_mode():
        # One picture after the other: at these sizes a batch gains nothing and takes that much more memory.
        for i, row in enumerate(torch.tensor(latents.latents)):
            pixels = model.decode(row[None].to(movq.device, getattr(torch, movq.dtype)))
            pixels = pixels[:, :, : latents.height, : latents.width].float()
            rows.append((pixels * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1))
            progress.step(i + 1, latents.batch)
    return Image(torch.cat(rows).cpu().numpy())


def _check_fit(movq: MoVQ, latents: Latents) -> None:
    """Raise ValueError unless these latents are this network's, and enough for the picture."""
    if latents.system != movq.system:
        raise ValueError(f"these latents are of Kandinsky {latents.system}, this MoVQ is of {movq.system}")
    if latents.shape[1] != movq.latent_channels:
        raise ValueError(
            f"these latents have {latents.shape[1]} channels, this MoVQ takes {movq.latent_channels}"
        )
    height, width = (size * movq.latent_factor for size in latents.shape[2:])
    if height < latents.height or width < latents.width:
        raise ValueError(
            f"these latents hold {width} x {height} pixels, too few for {latents.width} x {latents.height}"
        )
