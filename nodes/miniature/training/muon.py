"""Muon (Jordan et al. 2024): momentum whose step is made orthogonal, for the matrices of a network.

Every direction of a weight matrix moves equally far, so directions that gradients rarely show are learned
too. The step is scaled to the size that AdamW's has (Liu et al. 2025, formula 4), so rates carry over.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the odd polynomial that pulls singular values towards one
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For parameters of two or more dimensions; all but the first are flattened into one."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One step down the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter.grad)
                average = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(average, group["momentum"])
                matrix = ahead.reshape(len(ahead), -1)
                scale = 0.2 * max(matrix.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonal(matrix).view_as(ahead), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix (n, m) with all singular values one, by Newton-Schulz rounds in bfloat16."""
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16()
    if len(x) > x.shape[1]:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrix.dtype)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
