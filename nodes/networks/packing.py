"""Weights laid out once the way oneDNN computes with them, for inference on a CPU.

PyTorch otherwise rearranges every weight on every call. That costs little beside a convolution of a large
picture, but most of the time where few positions meet many channels: in the lower half of a UNet, and in each
step of the prior. Linear layers also leave MKL, slow on processors that are not Intel's. The arithmetic is
the same.
"""

import torch
from torch import Tensor, nn

PACKABLE = (torch.float32, torch.bfloat16)
CALLS = (
    "_reorder_linear_weight",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_convolution_pointwise",
)


class PackedLinear(nn.Module):
    """nn.Linear on a packed weight."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


class PackedConv2d(nn.Module):
    """nn.Conv2d on a weight packed for the size of its last input; gives channels-last maps."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layout = (layer.padding, layer.stride, layer.dilation, layer.groups)
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self.packed_for: torch.Size | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, inputs, H, W) -> (B, outputs, H', W')."""
        if x.shape != self.packed_for:  # the best layout depends on it, and a run has one size
            plain = self.weight.to_dense() if self.weight.is_mkldnn else self.weight
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(plain, *self.layout, x.shape)
            self.packed_for = x.shape
        x = x.contiguous(memory_format=torch.channels_last)
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.layout, "none", [], ""
        )


def can_pack() -> bool:
    """Whether this PyTorch has oneDNN and the calls used here, which it does not promise to keep."""
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, call) for call in CALLS)


def pack(network: nn.Module) -> nn.Module:
    """Replace, in place, the layers of a network on the CPU by packed ones, and return it in eval mode.

    Layers of other types and dtypes stay as they are, and so does everything where `can_pack()` is false. A
    packed network gives the same results and needs as much memory. It cannot be trained, moved or saved.
    """
    network.eval()
    if not can_pack():
        return network
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.dtype in PACKABLE:
                packed = PackedLinear(layer) if isinstance(layer, nn.Linear) else PackedConv2d(layer)
                setattr(parent, name, packed)
    return network
