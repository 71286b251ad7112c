"""What planning knows of a value before it is made: which Kandinsky it is of, and how wide its rows are.

So a wire from one system to another is told before any weights are opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graph.node import Complaint, Wiring
from nodes.parts import Handle

TEXT_WIDTHS = {  # array -> the names that configs of text encoders have for its width
    "text_embeds": ("projection_dim", "numDims", "d_model"),
    "hidden_states": ("hidden_size", "d_model"),
}


class Fact(NamedTuple):
    """What is known of a value."""

    system: str
    widths: Mapping[str, int]
    """Array -> the size of its last axis; absent where it is not known."""


def of_text(wiring: Wiring) -> Mapping[str, Fact]:
    """What a text encoder will make."""
    encoder = wiring.values.get("text_encoder")
    if encoder is None:
        return {}
    stated = {
        array: next((encoder.config[name] for name in names if name in encoder.config), None)
        for array, names in TEXT_WIDTHS.items()
    }
    return {"text_embeds": Fact(encoder.system, _numbers(stated))}


def of_image(wiring: Wiring) -> Mapping[str, Fact]:
    """What an image encoder will make."""
    encoder = wiring.values.get("image_encoder")
    if encoder is None:
        return {}
    widths = _numbers({"image_embeds": encoder.config.get("projection_dim")})
    return {"image_embeds": Fact(encoder.system, widths)}


def of_latents(wiring: Wiring) -> Mapping[str, Fact]:
    """The system of the network that will make latents, the first handle that is linked."""
    handle = next((value for value in wiring.values.values() if isinstance(value, Handle)), None)
    return {} if handle is None else {"latents": Fact(handle.system, {})}


def misfits(
    wiring: Wiring, system: str, widths: Mapping[str, Any], taker: str, *ports: str
) -> Iterator[Complaint]:
    """What is linked to `ports` and is of another system, or of another width, than the taker's."""
    for port in ports:
        for fact in wiring.facts.get(port, ()):
            if not isinstance(fact, Fact):
                continue
            if fact.system != system:
                message = f"this wire is of Kandinsky {fact.system}, the {taker} is of {system}"
                yield Complaint(port, message, f"a wire of Kandinsky {system}")
                continue
            for array, width in fact.widths.items():
                wanted = widths.get(array)
                if type(wanted) is int and wanted != width:
                    message = f"the {array.replace('_', ' ')} of this wire have {width} numbers a row"
                    yield Complaint(port, message, f"{wanted}, which the {taker} takes: another encoder's")
                    break  # the other arrays of the same wire would say the same


def _numbers(stated: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in stated.items() if type(value) is int}
