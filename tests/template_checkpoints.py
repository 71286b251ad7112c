"""Tiny checkpoints for the templates in workflows/: what each template's source inputs are set to.

The templates of a system begin with its name (k21_text_to_image.json); those without one are for 2.2.
"""

from collections.abc import Callable
from pathlib import Path

from tests.nodes import tiny, tiny3, tiny20, tiny21

Sources = dict[str, str]


def kandinsky22(task: str, root: Path) -> Sources:
    """A prior, and a decoder of the variant that the task is for."""
    variants = {
        "inpainting": "inpaint",
        "controlnet_text_to_image": "controlnet_depth",
        "controlnet_image_to_image": "controlnet_depth",
    }
    variant = variants.get(task, "text2img")
    prior, decoder = root / "prior", root / variant
    if not prior.exists():
        tiny.tiny_prior(prior)
    if not decoder.exists():
        tiny.tiny_decoder(decoder, variant, scheduler_options={"clip_sample": True})
    return {"prior_source": str(prior), "decoder_source": str(decoder)}


def kandinsky21(task: str, root: Path) -> Sources:
    """As for 2.2, and the decoder reads."""
    variant = "inpaint" if task == "inpainting" else "text2img"
    prior, decoder = root / "prior21", root / f"{variant}21"
    if not prior.exists():
        tiny21.tiny_prior21(prior)
    if not decoder.exists():
        tiny21.tiny_decoder21(decoder, variant)
    return {"prior_source": str(prior), "decoder_source": str(decoder)}


def kandinsky20(task: str, root: Path) -> Sources:
    """One checkpoint with the UNets of both tasks."""
    folder = root / "kandinsky20"
    if not folder.exists():
        tiny20.tiny_decoder20(folder)
    return {"decoder_source": str(folder)}


def kandinsky3(task: str, root: Path) -> Sources:
    """One checkpoint for everything."""
    variant = {"inpainting": "inpaint", "flash": "flash"}.get(task, "text2img")
    folder = root / f"{variant}3"
    if not folder.exists():
        tiny3.tiny_kandinsky3(folder, variant)
    return {"source": str(folder)}


SYSTEMS: dict[str, tuple[Callable[[str, Path], Sources], set[str]]] = {  # name -> checkpoints, tasks
    "k20": (kandinsky20, {"text_to_image", "image_to_image", "inpainting"}),
    "k21": (
        kandinsky21,
        {
            *("text_to_image", "image_to_image", "inpainting"),
            *("emb2emb", "interpolation", "negative_prompt"),
        },
    ),
    "k3": (
        kandinsky3,
        {"text_to_image", "image_to_image", "negative_prompt", "inpainting", "flash"},
    ),
    "": (
        kandinsky22,
        {
            *("text_to_image", "image_to_image", "inpainting"),
            *("controlnet_text_to_image", "controlnet_image_to_image"),
            *("emb2emb", "interpolation", "negative_prompt"),
            *("variations", "prompt_list", "image_variations", "repaint"),
        },
    ),
}
TEMPLATES = {
    f"{system}_{task}".strip("_"): (system, task) for system, (_, tasks) in SYSTEMS.items() for task in tasks
}


def sources(template: str, root: Path) -> Sources:
    """The template's inputs that name checkpoints, with tiny ones below `root`, made where they lack."""
    system, task = TEMPLATES[template]
    return SYSTEMS[system][0](task, root)
