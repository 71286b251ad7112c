"""What the training stages share: a clock, a learning rate, averaged weights, a state that can be resumed.

A stage trains for a number of minutes of processor time: what other programs do meanwhile makes it last
longer, not worse. Every few minutes its state goes to disk (written beside, then
renamed); started again, it goes on from there, and its minutes go on counting.
"""

import argparse
import json
import math
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nodes.miniature.scenes.data import WORK, Data, load
from nodes.miniature.training import parallel
from nodes.miniature.training.muon import Muon

Network = TypeVar("Network", bound=nn.Module)

SAVE_EVERY = 120.0  # seconds
SHORTEST_RATE = 0.03  # of the peak: where the cosine ends


class Stage:
    """One training run of `model` in `folder`: AdamW, warm-up, cosine, exponential average of the weights."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        folder: Path,
        *,
        minutes: float,
        peak: float,
        seed: int,
        average: float = 0.998,
        decay: float = 0.01,
        warm_up: float = 0.02,
        matrices: Collection[nn.Parameter] = (),
        max_steps: int | None = None,
    ) -> None:
        """`matrices` are trained by Muon, all other parameters by AdamW."""
        self.name, self.model, self.path = name, model, folder / f"{name}.state"
        self.metrics_path = folder / f"{name}.json"
        self.minutes, self.peak, self.seed, self.warm_up = minutes, peak, seed, warm_up
        self.average, self.max_steps = average, max_steps
        self.trained = [p for p in model.parameters() if p.requires_grad]
        by_muon = {id(p) for p in matrices}
        others = [p for p in self.trained if id(p) not in by_muon]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, lr=peak, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        ]
        if matrices:
            self.optimisers.append(Muon(matrices, lr=peak, weight_decay=decay))
        self.averaged = [p.detach().clone() for p in self.trained]
        self.step, self.samples, self.seconds = 0, 0, 0.0
        self.history: list[dict[str, float]] = []
        self._recent: dict[str, list[float]] = defaultdict(list)
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            self._resume()

    @property
    def progress(self) -> float:
        """How much of the stage is done, 0..1."""
        if self.max_steps is not None:
            return min(1.0, self.step / self.max_steps)
        return min(1.0, self.seconds / (60 * self.minutes))

    def steps(self) -> Iterator[np.random.Generator]:
        """The steps that are left, each with its own generator (torch's is seeded too)."""
        stopping: list[bool] = []
        signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
        saved, clock = time.monotonic(), time.process_time()
        while self.progress < 1:
            rate = min(1.0, (self.progress + 1e-4) / self.warm_up)
            rate *= SHORTEST_RATE + (1 - SHORTEST_RATE) * 0.5 * (1 + math.cos(math.pi * self.progress))
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = self.peak * rate
            torch.manual_seed((self.seed * 1_000_003 + self.step) * 64 + parallel.rank())
            yield np.random.default_rng((self.seed, self.step, parallel.rank()))
            now = time.process_time()
            self.seconds, stop = parallel.agree([self.seconds + now - clock, len(stopping)])
            clock = now
            if stop or time.monotonic() - saved > SAVE_EVERY:
                self.save()
                saved = time.monotonic()
            if stop:
                raise SystemExit(f"{self.name}: stopped after {self.step} steps; started again, it goes on")
        self.save()

    def learn(self, loss: Tensor, samples: int, **figures: Tensor | float) -> None:
        """One step down the gradient of `loss`; `figures` are averaged into the log."""
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(self.trained)
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self.samples += samples * parallel.processes()
        keep = min(self.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.averaged, [p.detach() for p in self.trained], 1 - keep)
        for key, value in figures.items():
            self._recent[key].append(float(value.detach()) if isinstance(value, Tensor) else value)
        if self.step % 100 == 0:
            self._log()

    @contextmanager
    def averaged_weights(self) -> Iterator[nn.Module]:
        """The model with its averaged weights, in eval mode, without gradients; then as it was."""
        own = [p.detach().clone() for p in self.trained]
        _copy(self.averaged, self.trained)
        self.model.eval()
        with torch.no_grad():
            yield self.model
        _copy(own, self.trained)
        self.model.train()

    def finish(self, **figures: Any) -> None:
        """Put the averaged weights into the model and write the stage's metrics."""
        _copy(self.averaged, self.trained)
        self.model.eval()
        metrics = {
            "stage": self.name,
            "seed": self.seed,
            "steps": self.step,
            "samples": self.samples,
            "minutes": round(self.seconds / 60, 1),
            "processes": parallel.processes(),
            "threads": torch.get_num_threads(),
            "parameters": sum(p.numel() for p in self.trained),
            **figures,
            "history": self.history,
        }
        if parallel.rank() > 0:
            return
        self.metrics_path.write_text(json.dumps(metrics, indent=1) + "\n")
        print(json.dumps({k: v for k, v in metrics.items() if k != "history"}), flush=True)

    def save(self) -> None:
        """Write the state beside, then rename it: a stop at any moment leaves a whole state."""
        if parallel.rank() > 0:
            return
        state = {
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "averaged": self.averaged,
            "counts": [self.step, self.samples, self.seconds],
            "history": self.history,
        }
        temporary = self.path.with_suffix(".partial")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def _resume(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        _copy(state["averaged"], self.averaged)
        self.step, self.samples, self.seconds = state["counts"]
        self.history = state["history"]

    def _log(self) -> None:
        line = {key: round(float(np.mean(values)), 4) for key, values in self._recent.items()}
        line |= {"step": self.step, "minutes": round(self.seconds / 60, 2)}
        self.history.append(line)
        self._recent.clear()
        if parallel.rank() == 0:
            print(self.name, line, flush=True)


def channels_last(model: Network) -> Network:
    """The network with its convolutions in the layout that is fastest on a CPU."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def load_averaged(model: Network, path: Path) -> Network:
    """Put the averaged weights of a stage's state file into `model`; returns it, in eval mode."""
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    _copy(state["averaged"], [p for p in model.parameters() if p.requires_grad])
    model.eval()
    return model


def _copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for a, b in zip(source, target, strict=True):
            b.copy_(a)


def to_unit(images: np.ndarray) -> Tensor:
    """uint8 pictures (B, H, W, 3) as a channels-last tensor (B, 3, H, W) in -1..1."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return pixels.float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


Training = Callable[[Path, Data, float], object]


def run_stage(
    description: str | None, minutes: float, train: Training, further: tuple[str, Training, str] | None = None
) -> None:
    """Command line of a stage that takes nothing but its time and its threads.

    `further` is an option, what it trains instead, and what that is.
    """
    parser = argparse.ArgumentParser(description=description)
    if further is not None:
        option, instead, about = further
        parser.add_argument(option, dest="train", action="store_const", const=instead, help=about)
    parser.set_defaults(train=train)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.train(WORK, load(), arguments.minutes)
