"""Calling stage nodes in tests: handles to tiny checkpoints, random values, and a progress that records."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from graph.context import Environment, Progress
from graph.events import Listener
from graph.files.allowed import Files
from graph.nodetypes.catalogue import installed
from graph.program import assemble
from graph.workflow.file import from_json
from nodes.load.load_kandinsky2 import DecoderParts, PriorParts, load_decoder, load_prior
from nodes.wires import Array, ImageEmbeds


class Recorder(Progress):
    """A progress that remembers warnings, steps and what was shown."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.looks: list[bytes] = []
        super().__init__(threading.Event(), self._note, self.warnings.append)

    def _note(self, step: int, steps: int, preview: Any) -> None:
        self.steps.append((step, steps))
        if preview is not None:
            self.looks.append(preview())


def prior_parts(folder: Path, **params: Any) -> PriorParts:
    """Handles to a prior checkpoint."""
    return load_prior(source=str(folder), environment=environment(folder), **params)


def decoder_parts(folder: Path, **params: Any) -> DecoderParts:
    """Handles to a decoder checkpoint."""
    return load_decoder(source=str(folder), environment=environment(folder), **params)


def environment(folder: Path) -> Environment:
    """That a checkpoint in this folder is found in."""
    return Environment(Files(folder, cwd=folder))


def random_array(*shape: int, seed: int = 0) -> Array:
    """Uniform numbers in 0..1."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def random_embeds(rows: int, size: int, seed: int = 0) -> ImageEmbeds:
    """Image embeds of Kandinsky 2.2."""
    return ImageEmbeds(np.random.default_rng(seed).standard_normal((rows, size)), "2.2")


def smooth_picture(height: int, width: int, seed: int = 0, rows: int = 1) -> Array:
    """Pictures (rows, height, width, 3) of soft colours at 8 bits, as from a file."""
    from PIL import Image

    coarse = (np.random.default_rng(seed).random((rows, 4, 4, 3)) * 255).astype(np.uint8)
    pictures = [
        np.asarray(Image.fromarray(row).resize((width, height), Image.Resampling.BICUBIC)) for row in coarse
    ]
    return np.stack(pictures).astype(np.float32) / np.float32(255)


def run_nodes(
    folder: Path, nodes: dict[str, Any], listener: Listener | None = None, **outputs: str
) -> dict[str, Any]:
    """Run a workflow of these nodes that lies in `folder`; the values of `outputs` (name -> "node.port").

    What nodes save goes to `folder / "out"`; nothing is cached on disk.
    """
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, "interface": {"outputs": outputs}}
    program = assemble(
        from_json(data, folder), installed(), output=folder / "out", cache=None, listener=listener
    )
    return program.run()
