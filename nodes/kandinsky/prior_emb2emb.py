"""Image embeds led towards a prompt."""

from typing import Annotated

from graph.node import Progress, Range, Required, Wanted, node
from nodes.params import Copies, Dice, Guidance, Steps
from nodes.parts import ImageEncoder, Prior
from nodes.sampling import prior_loop
from nodes.sampling.prior_loop import PriorOutput, Request
from nodes.wires import ImageEmbeds, TextEmbeds


@node(
    title="Prior from image",
    group="Kandinsky",
    resolve=prior_loop.recommended,
    check=prior_loop.check,
    unused=prior_loop.unused_from_image,
    facts=prior_loop.facts,
)
def prior_emb2emb(
    prior: Annotated[Prior | None, Required(), "The network that imagines pictures."] = None,
    positive: Annotated[TextEmbeds | None, Required(), "The prompt."] = None,
    image: Annotated[
        ImageEmbeds | None,
        Required(),
        "What to start from: the image embeds of a picture, or of another prior.",
    ] = None,
    negative: Annotated[TextEmbeds | None, "What the picture should not be like."] = None,
    image_encoder: Annotated[
        ImageEncoder | None, "Needed for negative_image_embeds where there is no negative prompt."
    ] = None,
    noise: Annotated[ImageEmbeds | None, "Use this noise instead of the seed's."] = None,
    *,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Dice = 0,
    images_per_prompt: Copies = 1,
    strength: Annotated[
        float,
        Range(0.0, 1.0, 0.01),
        "How far to go from the picture to the prompt: 0 keeps what it means, 1 leaves nearly nothing of it.",
    ] = 0.3,
    wanted: Wanted = frozenset(PriorOutput._fields),
    progress: Progress,
) -> PriorOutput:
    """Lead what a picture means towards a prompt: the embeds of a picture like it, as the prompt says."""
    request = Request(steps, guidance, seed, images_per_prompt, strength)
    return prior_loop.run_prior(
        prior, positive, negative, image_encoder, noise, image, request, wanted, progress
    )
