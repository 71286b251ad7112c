"""LoRAs for priors and UNets."""

from collections.abc import Iterator
from typing import Annotated, Generic, NamedTuple

from graph.node import Complaint, Environment, Fixed, Range, Wiring, node
from graph.types import T
from nodes.checkpoints import lora
from nodes.load.source import Revision
from nodes.parts import Prior, UNet


class Adapted(NamedTuple, Generic[T]):
    """What `load_lora` puts out."""

    model: T


def _check(wiring: Wiring) -> Iterator[Complaint]:
    model = wiring.values.get("model")
    if model is not None and not isinstance(model, UNet | Prior):
        kind = getattr(model, "part", type(model).__name__)
        yield Complaint(
            "model", f"a LoRA changes a UNet or a prior, not a {kind}", "a wire of type unet or prior"
        )
    if wiring.params.get("source") == "":
        yield Complaint("source", "no LoRA is chosen", "a file, a folder, or a hub id")


@node(title="Load LoRA", group="Load", folds=True, check=_check)
def load_lora(
    model: Annotated[T, "A UNet or a prior, from its loader or from another LoRA."],
    *,
    source: Annotated[
        str,
        Fixed(),
        "A .safetensors file or a folder (./my-lora), its name in the models folder, or a hub id.",
    ] = "",
    revision: Revision = "",
    weight: Annotated[
        float, Range(-4.0, 4.0, 0.05), Fixed(), "How much of it is added: 0 is nothing, 1 all of it."
    ] = 1.0,
    environment: Environment,
) -> Adapted:
    """Add a LoRA to a UNet or a prior: a small file that teaches it a style or a subject.

    Several are added one after the other, each with a weight. A LoRA for another network is refused.
    """
    assert isinstance(model, UNet | Prior)  # planning sees to it
    return Adapted(lora.add_lora(model, source, revision, weight, environment))
