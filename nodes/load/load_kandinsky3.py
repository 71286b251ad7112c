"""The loader node of Kandinsky 3, whose one checkpoint holds everything."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from graph.context import Unavailable
from graph.node import Choices, Environment, Fixed, Wanted, node
from nodes.checkpoints import handles, inspect
from nodes.checkpoints.handles import Origin
from nodes.checkpoints.locate import Checkpoint
from nodes.files.reading import CheckpointError
from nodes.load.source import Device, DType, Folders, Offload, Revision, Source, find, place
from nodes.parts import MoVQ, TextEncoder, UNet

Variant = Annotated[
    str,
    Choices("text2img", "inpaint", "flash"),
    Fixed(),
    "Which UNet, where a checkpoint holds several; flash is the one that needs four steps.",
]


class Kandinsky3Parts(NamedTuple):
    """The parts of a Kandinsky 3 checkpoint."""

    text_encoder: TextEncoder
    unet: UNet
    movq: MoVQ


def _folders(variant: str) -> Folders:
    unets: Sequence[str] = ("unet",) if variant == "text2img" else (f"unet_{variant}", "unet")
    return {
        "text_encoder": (("text_encoder",), ("tokenizer",)),
        "unet": (unets, ("scheduler",), inspect.MOVQ),
        "movq": (inspect.MOVQ,),
    }


@node(title="Load Kandinsky 3", group="Load", folds=True)
def load_kandinsky3(
    *,
    source: Source = "miniature",
    revision: Revision = "",
    dtype: DType = "auto",
    device: Device = "auto",
    offload: Offload = "none",
    variant: Variant = "text2img",
    environment: Environment,
    wanted: Wanted = frozenset(Kandinsky3Parts._fields),
) -> Kandinsky3Parts:
    """Take Kandinsky 3: it paints from a prompt directly, without a prior.

    Its weights are opened when a node first needs them. The text encoder is large, 17 GB in half precision;
    with offload "sequential" it is read from its files layer by layer, and 4 GB of memory are enough for it.
    """
    placement = place(environment, dtype, device, offload)
    checkpoint = find(source, revision, environment, placement, "kandinsky3", _folders(variant), wanted)
    folder, found = _unet(checkpoint, variant, wanted)
    defaults = inspect.FLASH_DEFAULTS if found == "flash" else inspect.KANDINSKY3_DEFAULTS
    origin = Origin(checkpoint, placement, "3", found, inspect.read_recommended(checkpoint, defaults))
    return Kandinsky3Parts(
        handles.text_encoder(origin) if "text_encoder" in wanted else None,  # type: ignore[arg-type]
        handles.unet(origin, folder) if "unet" in wanted else None,  # type: ignore[arg-type]
        handles.movq(origin) if "movq" in wanted else None,  # type: ignore[arg-type]
    )


def _unet(checkpoint: Checkpoint, variant: str, wanted: Wanted) -> tuple[str, str]:
    """The folder and the variant of the UNet. Raises CheckpointError for another system's checkpoint."""
    if checkpoint.source == "miniature":  # the workflow is right, it only has to say which checkpoint
        raise Unavailable("the miniature is of Kandinsky 2.2; set source to a checkpoint of Kandinsky 3")
    if "unet" not in wanted and checkpoint.find("unet/config.json") is None:
        return "unet", variant
    folder, system, found = inspect.choose_unet(checkpoint, variant)
    if system != "3":
        raise CheckpointError(
            f"checkpoint {checkpoint.source} is of Kandinsky {system}, expected 3; Load decoder takes it"
        )
    return folder, found
