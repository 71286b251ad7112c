"""Pictures into latents."""

from typing import Annotated

from graph.node import Progress, node
from nodes.wires import Image, Latents, MoVQ


@node(title="MoVQ encode", group="Kandinsky")
def movq_encode(
    movq: Annotated[MoVQ, "The network between pixels and latents."],
    image: Annotated[Image, "The pictures to compress."],
    *,
    progress: Progress,
) -> Latents:
    """Compress pictures into latents, the space that the decoder paints in.

    Any size will do: what is missing to the size that the network takes is added at the right and the
    bottom by repeating the edge, and cut off again when the latents are decoded.
    """
    import numpy as np
    import torch

    from nodes.checkpoints.residency import opened
    from nodes.latent_sizes import pad_edges, round_up

    height, width = image.shape[1:3]
    pixels = np.moveaxis(image.image, 3, 1) * 2 - 1
    pixels = pad_edges(pixels, round_up(height, movq.latent_factor), round_up(width, movq.latent_factor))
    rows = []
    with opened(movq) as model, torch.inference_mode():
        # One picture after the other: at these sizes a batch gains nothing and takes that much more memory.
        for i, row in enumerate(torch.tensor(pixels)):
            rows.append(model.encode(row[None].to(movq.device, getattr(torch, movq.dtype))).float())
            progress.step(i + 1, len(pixels))
    return Latents(torch.cat(rows).cpu().numpy(), width, height, movq.system)
