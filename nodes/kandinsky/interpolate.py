"""Mixing image embeds."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from graph.node import Complaint, Range, Wiring, node
from nodes.facts import Fact
from nodes.wires import ImageEmbeds

LARGEST_WEIGHT = 10.0


def _check(wiring: Wiring) -> Iterator[Complaint]:
    systems = sorted({fact.system for fact in wiring.facts.get("embeds", ()) if isinstance(fact, Fact)})
    if len(systems) > 1:
        message = f"embeds of Kandinsky {' and '.join(systems)} cannot be mixed"
        yield Complaint("embeds", message, "embeds of one Kandinsky")


def _facts(wiring: Wiring) -> Mapping[str, Fact]:
    known = [fact for fact in wiring.facts.get("embeds", ()) if isinstance(fact, Fact)]
    return {"image_embeds": known[0]} if known else {}


@node(title="Interpolate", group="Kandinsky", io=True, check=_check, facts=_facts)
def interpolate(
    embeds: Annotated[list[ImageEmbeds], "What to mix: image embeds of pictures and of prompts, in order."],
    *,
    weights: Annotated[
        list[float],
        Range(-LARGEST_WEIGHT, LARGEST_WEIGHT, 0.05),
        "How much of each, in order; empty: equal parts. They need not add up to 1, but mostly should.",
    ] = [],  # noqa: B006 (the catalogue needs the default itself; nobody writes into it)
) -> ImageEmbeds:
    """Mix the meanings of pictures and prompts: a bit of this, a bit of that."""
    import numpy as np

    from nodes.batches import expand, rows

    if weights and len(weights) != len(embeds):
        raise ValueError(f"there are {len(weights)} weights for {len(embeds)} embeds; give as many, or none")
    systems = sorted({item.system for item in embeds})
    if len(systems) > 1:
        raise ValueError(f"embeds of Kandinsky {' and '.join(systems)} cannot be mixed")
    sizes = sorted({item.shape[1] for item in embeds})
    if len(sizes) > 1:
        raise ValueError(f"embeds of different checkpoints, with {sizes} numbers a row, cannot be mixed")
    shares = weights or [1 / len(embeds)] * len(embeds)
    count = rows(*embeds)
    stacked = np.stack([expand(item.image_embeds, count) for item in embeds])
    mixed = np.tensordot(np.array(shares, np.float32), stacked, axes=1)
    return ImageEmbeds(mixed, systems[0])
