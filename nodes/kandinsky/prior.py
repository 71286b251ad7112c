"""Text embeds into image embeds."""

from typing import Annotated

from graph.node import Progress, Required, Wanted, node
from nodes.params import Copies, Dice, Guidance, Steps
from nodes.parts import ImageEncoder, Prior
from nodes.sampling import prior_loop
from nodes.sampling.prior_loop import PriorOutput, Request
from nodes.wires import ImageEmbeds, TextEmbeds


@node(
    title="Prior",
    group="Kandinsky",
    resolve=prior_loop.recommended,
    check=prior_loop.check,
    unused=prior_loop.unused,
    facts=prior_loop.facts,
)
def prior(
    prior: Annotated[Prior | None, Required(), "The network that imagines pictures."] = None,
    positive: Annotated[TextEmbeds | None, Required(), "The prompt."] = None,
    negative: Annotated[TextEmbeds | None, "What the picture should not be like."] = None,
    image_encoder: Annotated[
        ImageEncoder | None, "Needed for negative_image_embeds where there is no negative prompt."
    ] = None,
    noise: Annotated[ImageEmbeds | None, "Start from this noise instead of the seed's."] = None,
    *,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Dice = 0,
    images_per_prompt: Copies = 1,
    wanted: Wanted = frozenset(PriorOutput._fields),
    progress: Progress,
) -> PriorOutput:
    """Imagine what a picture of the prompt means: the image embeds that a decoder paints from.

    The negative image embeds are those of the negative prompt, or of an empty picture where none is linked.
    """
    request = Request(steps, guidance, seed, images_per_prompt)
    return prior_loop.run_prior(
        prior, positive, negative, image_encoder, noise, None, request, wanted, progress
    )
