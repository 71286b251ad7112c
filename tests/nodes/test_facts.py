"""Wires from one Kandinsky to another, or from the wrong encoder, are told while planning."""

from pathlib import Path
from typing import Any

import pytest

from graph.context import Environment
from graph.files.allowed import Files
from graph.nodetypes.catalogue import installed
from graph.planning.plan import check
from graph.workflow.file import from_json
from nodes.weights.residency import residency
from tests.nodes import tiny, tiny21


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of every system."""
    made = tmp_path_factory.mktemp("facts")
    tiny.tiny_prior(made / "prior22")
    tiny.tiny_decoder(made / "decoder22")
    tiny21.tiny_prior21(made / "prior21")
    tiny21.tiny_decoder21(made / "decoder21")
    return made


def text(encoder: str) -> dict[str, Any]:
    return {"type": "text_encode", "inputs": {"text_encoder": encoder}, "params": {"text": "a red cube"}}


def imagine(prior: str, positive: str) -> dict[str, Any]:
    inputs = {"prior": f"{prior}.prior", "positive": positive}
    return {"type": "prior", "inputs": inputs, "params": {"guidance": 1.0}}


def paint(decoder: str, **inputs: str) -> dict[str, Any]:
    return {
        "type": "unet_denoise",
        "inputs": {"unet": f"{decoder}.unet", **inputs},
        "params": {"guidance": 1.0, "width": 64, "height": 64},
    }


def problems(root: Path, **nodes: Any) -> list[str]:
    """What planning says of these nodes, beside a loader of every checkpoint."""
    loaders = {
        path.name: {"type": f"load_{path.name[:-2]}", "params": {"source": f"./{path.name}"}}
        for path in root.iterdir()
    }
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": {**loaders, **nodes}}
    residency.clear()
    found = check(from_json(data, root), installed(), Environment(Files(root, cwd=root)))
    assert residency.names() == []
    return [str(problem) for problem in found]


def test_right_wires_are_fine(root: Path) -> None:
    assert (
        problems(
            root,
            p=text("prior21.text_encoder"),
            d=text("decoder21.text_encoder"),
            i=imagine("prior21", "p.text_embeds"),
            x=paint("decoder21", image_embeds="i.image_embeds", text_embeds="d.text_embeds"),
            m={"type": "movq_decode", "inputs": {"movq": "decoder21.movq", "latents": "x.latents"}},
        )
        == []
    )


def test_a_prior_of_another_system(root: Path) -> None:
    found = problems(
        root,
        p=text("prior22.text_encoder"),
        d=text("decoder21.text_encoder"),
        i=imagine("prior22", "p.text_embeds"),
        x=paint("decoder21", image_embeds="i.image_embeds", text_embeds="d.text_embeds"),
    )
    assert found == [
        "x.image_embeds: this wire is of Kandinsky 2.2, the UNet is of 2.1; expected a wire of Kandinsky 2.1"
    ]


def test_a_prompt_read_by_another_system(root: Path) -> None:
    found = problems(root, p=text("prior21.text_encoder"), i=imagine("prior22", "p.text_embeds"))
    assert found == [
        "i.positive: this wire is of Kandinsky 2.1, the prior is of 2.2; expected a wire of Kandinsky 2.2"
    ]


def test_the_two_text_encoders_of_21(root: Path) -> None:
    found = problems(
        root,
        p=text("prior21.text_encoder"),
        i=imagine("prior21", "p.text_embeds"),
        x=paint("decoder21", image_embeds="i.image_embeds", text_embeds="p.text_embeds"),
    )
    assert found == [
        "x.text_embeds: the hidden states of this wire have 32 numbers a row; "
        "expected 24, which the UNet takes: another encoder's"
    ]
    found = problems(root, d=text("decoder21.text_encoder"), i=imagine("prior21", "d.text_embeds"))
    assert found == [
        "i.positive: the hidden states of this wire have 24 numbers a row; "
        "expected 32, which the prior takes: another encoder's"
    ]


def test_an_image_encoder_of_another_system(root: Path) -> None:
    nodes = {"p": text("prior22.text_encoder"), "i": imagine("prior22", "p.text_embeds")}
    nodes["i"]["inputs"]["image_encoder"] = "prior21.image_encoder"
    assert problems(root, **nodes) == [
        "i.image_encoder: this image encoder is of Kandinsky 2.1, the prior is of 2.2; "
        "expected an image encoder of Kandinsky 2.2"
    ]


def test_latents_of_another_system(root: Path) -> None:
    nodes = {
        "z": {"type": "zero_embeds", "inputs": {"image_encoder": "prior22.image_encoder"}},
        "x": paint("decoder22", image_embeds="z.image_embeds"),
        "m": {"type": "movq_decode", "inputs": {"movq": "decoder21.movq", "latents": "x.latents"}},
    }
    assert problems(root, **nodes) == [
        "m.latents: this wire is of Kandinsky 2.2, the MoVQ is of 2.1; expected a wire of Kandinsky 2.1"
    ]


def test_what_is_known_goes_through_mixing_and_picking(root: Path) -> None:
    nodes = {
        "z": {"type": "zero_embeds", "inputs": {"image_encoder": "prior22.image_encoder"}},
        "mix": {"type": "interpolate", "inputs": {"embeds": ["z.image_embeds", "z.image_embeds"]}},
        "one": {"type": "pick", "inputs": {"value": "mix.image_embeds"}},
        "d": text("decoder21.text_encoder"),
        "x": paint("decoder21", image_embeds="one.picked", text_embeds="d.text_embeds"),
    }
    assert [problem.split(":")[0] for problem in problems(root, **nodes)] == ["x.image_embeds"]
    nodes["z1"] = {"type": "zero_embeds", "inputs": {"image_encoder": "prior21.image_encoder"}}
    nodes["mix"]["inputs"]["embeds"] = ["z.image_embeds", "z1.image_embeds"]
    found = problems(root, **nodes)
    assert "mix.embeds: embeds of Kandinsky 2.1 and 2.2 cannot be mixed; expected embeds of one" in found[0]
