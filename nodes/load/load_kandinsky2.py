"""Loader nodes: they name the parts of a checkpoint while a workflow is planned, and open no weights."""

from typing import Annotated, NamedTuple

from graph.node import Choices, Environment, Fixed, Wanted, node
from nodes.checkpoints import handles, inspect
from nodes.checkpoints.handles import Origin
from nodes.files.reading import CheckpointError
from nodes.load.source import Device, DType, Folders, Offload, Revision, Source, find, place
from nodes.parts import DepthEstimator, ImageEncoder, MoVQ, Prior, TextEncoder, UNet

Variant = Annotated[
    str,
    Choices("text2img", "inpaint", "controlnet_depth"),
    Fixed(),
    "Which UNet, where a checkpoint holds several.",
]


class PriorParts(NamedTuple):
    """The parts of a prior checkpoint."""

    text_encoder: TextEncoder
    image_encoder: ImageEncoder
    prior: Prior


class DecoderParts(NamedTuple):
    """The parts of a decoder checkpoint."""

    unet: UNet
    movq: MoVQ
    text_encoder: Annotated[TextEncoder | None, "Kandinsky 2.0 and 2.1 only."]


PRIOR_FOLDERS: Folders = {
    "text_encoder": (("text_encoder",), ("tokenizer",)),
    "image_encoder": (("image_encoder",), ("image_processor", "feature_extractor")),
    "prior": (("prior",), ("scheduler",)),
}
DECODER_FOLDERS: Folders = {
    "unet": (("unet",), ("scheduler",), ("ddpm_scheduler",), inspect.MOVQ),
    "movq": (inspect.MOVQ,),
    "text_encoder": (("text_encoder",), ("tokenizer",), ("tokenizer_2",)),
}
DEPTH_FOLDERS: Folders = {"depth_estimator": (("depth_estimator", ""),)}


@node(title="Load prior", group="Load", folds=True)
def load_prior(
    *,
    source: Source = "miniature",
    revision: Revision = "",
    dtype: DType = "auto",
    device: Device = "auto",
    offload: Offload = "none",
    environment: Environment,
    wanted: Wanted = frozenset(PriorParts._fields),
) -> PriorParts:
    """Take a Kandinsky 2 prior: it reads text and looks at pictures, and makes image embeds of both.

    Its weights are opened when a node first needs them.
    """
    placement = place(environment, dtype, device, offload)
    checkpoint = find(source, revision, environment, placement, "prior", PRIOR_FOLDERS, wanted)
    recommended = inspect.read_recommended(checkpoint, inspect.PRIOR_DEFAULTS)
    origin = Origin(checkpoint, placement, inspect.prior_system(checkpoint), "text2img", recommended)
    if checkpoint.root.is_file():
        wanted = wanted & {"prior"}
    return PriorParts(
        handles.text_encoder(origin) if "text_encoder" in wanted else None,  # type: ignore[arg-type]
        handles.image_encoder(origin) if "image_encoder" in wanted else None,  # type: ignore[arg-type]
        handles.prior(origin) if "prior" in wanted else None,  # type: ignore[arg-type]
    )


@node(title="Load decoder", group="Load", folds=True)
def load_decoder(
    *,
    source: Source = "miniature",
    revision: Revision = "",
    dtype: DType = "auto",
    device: Device = "auto",
    offload: Offload = "none",
    variant: Variant = "text2img",
    environment: Environment,
    wanted: Wanted = frozenset(DecoderParts._fields),
) -> DecoderParts:
    """Take a Kandinsky 2 decoder: it paints a picture from image embeds.

    Its weights are opened when a node first needs them.
    """
    placement = place(environment, dtype, device, offload)
    checkpoint = find(source, revision, environment, placement, "decoder", DECODER_FOLDERS, wanted)
    folder, system, found = inspect.choose_unet(checkpoint, variant)
    if system == "3":
        raise CheckpointError(f"checkpoint {source} is of Kandinsky 3; Load Kandinsky 3 takes it")
    recommended = inspect.read_recommended(checkpoint, inspect.DECODER_DEFAULTS)
    origin = Origin(checkpoint, placement, system, found, recommended)
    if checkpoint.root.is_file():
        wanted = wanted & {"unet"}
    reads_text = system in ("2.0", "2.1") and "text_encoder" in wanted
    return DecoderParts(
        handles.unet(origin, folder) if "unet" in wanted else None,  # type: ignore[arg-type]
        handles.movq(origin) if "movq" in wanted else None,  # type: ignore[arg-type]
        handles.text_encoder(origin) if reads_text else None,
    )


@node(title="Load depth estimator", group="Load", folds=True)
def load_depth_estimator(
    *,
    source: Source = "miniature",
    revision: Revision = "",
    dtype: DType = "auto",
    device: Device = "auto",
    offload: Offload = "none",
    environment: Environment,
) -> DepthEstimator:
    """Take a network that tells how far away each pixel of a picture is."""
    placement = place(environment, dtype, device, offload)
    wanted = frozenset(DEPTH_FOLDERS)
    checkpoint = find(source, revision, environment, placement, "depth_estimator", DEPTH_FOLDERS, wanted)
    return handles.depth_estimator(Origin(checkpoint, placement, "2.2", "controlnet_depth", {}))
