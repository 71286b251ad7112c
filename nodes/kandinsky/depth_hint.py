"""Pictures into depth hints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from graph.node import Progress, node
from nodes.parts import DepthEstimator
from nodes.wires import DepthHint, Image

if TYPE_CHECKING:
    from nodes.wires import Array


class DepthHintOutput(NamedTuple):
    """A depth hint and a look at it."""

    depth_hint: DepthHint
    preview: Annotated[Image, "The hint as a grey picture: near is white."]


@node(title="Depth hint", group="Kandinsky")
def depth_hint(
    image: Annotated[Image, "The picture whose depth is taken, or a depth map itself."],
    depth_estimator: Annotated[
        DepthEstimator | None,
        "Sees how far things are. Not linked: the picture is the depth map, white is near.",
    ] = None,
    *,
    progress: Progress,
) -> DepthHintOutput:
    """See how far the things in a picture are, so that another picture can be made with the same layout.

    What an estimator sees is stretched to the whole range: the nearest point is white, the farthest black.
    """
    import numpy as np

    from nodes.pixels.masks import luminance

    near = _estimated(depth_estimator, image, progress) if depth_estimator else luminance(image.image)
    return DepthHintOutput(
        DepthHint(np.repeat(near[:, None], 3, axis=1)), Image(np.repeat(near[..., None], 3, axis=3))
    )


def _estimated(handle: DepthEstimator, image: Image, progress: Progress) -> Array:
    """How near each pixel is, (B, H, W) in 0..1."""
    import torch
    import torch.nn.functional as F

    from nodes.pixels.depth_pixels import depth_pixels
    from nodes.weights.residency import opened

    rows = []
    with opened(handle) as model, torch.inference_mode():
        for i, row in enumerate(torch.tensor(depth_pixels(image.image, handle.image_processor))):
            pixels = row[None].to(handle.device, getattr(torch, handle.dtype))
            depth = model(pixel_values=pixels).predicted_depth.float()
            depth = F.interpolate(depth[None], size=image.shape[1:3], mode="bicubic")[0]
            low, high = depth.min(), depth.max()
            rows.append((depth - low) / (high - low).clamp(min=1e-12))
            progress.step(i + 1, image.batch)
    near: Array = torch.cat(rows).cpu().numpy()
    return near
