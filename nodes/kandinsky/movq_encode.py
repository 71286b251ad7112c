"""Pictures into latents."""

from typing import Annotated

from graph.node import Progress, node
from nodes.facts import of_latents
from nodes.parts import MoVQ
from nodes.wires import Image, Latents, Mask


@node(title="MoVQ encode", group="Kandinsky", facts=of_latents)
def movq_encode(
    movq: Annotated[MoVQ, "The network between pixels and latents."],
    image: Annotated[Image, "The pictures to compress."],
    mask: Annotated[
        Mask | None, "For inpainting with Kandinsky 3: what is repainted, which the latents must not show."
    ] = None,
    *,
    progress: Progress,
) -> Latents:
    """Compress pictures into latents, the space that the decoder paints in.

    Any size will do: what is missing to the size that the network takes is added at the right and the
    bottom by repeating the edge, and cut off again when the latents are decoded.
    """
    import numpy as np
    import torch

    from nodes.batches import expand, rows
    from nodes.pixels.masks import resize_mask
    from nodes.sampling.latent_sizes import pad_edges, round_up
    from nodes.weights.residency import opened

    height, width = image.shape[1:3]
    pixels = np.moveaxis(image.image, 3, 1) * 2 - 1
    if mask is not None:
        count = rows(image=image, mask=mask)
        hidden = expand(resize_mask(mask.mask, width, height) >= 0.5, count)
        pixels = np.where(hidden[:, None], np.float32(0), expand(pixels, count))  # grey
    pixels = pad_edges(pixels, round_up(height, movq.latent_factor), round_up(width, movq.latent_factor))
    encoded = []
    with opened(movq) as model, torch.inference_mode():
        # One picture after the other: at these sizes a batch gains nothing and takes that much more memory.
        for i, row in enumerate(torch.tensor(pixels)):
            encoded.append(model.encode(row[None].to(movq.device, getattr(torch, movq.dtype))).float())
            progress.step(i + 1, len(pixels))
    return Latents(torch.cat(encoded).cpu().numpy(), width, height, movq.system, masked=mask is not None)
