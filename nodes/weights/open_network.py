"""From a handle to its network with the weights in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.encoders import encoder_of, transformers_networks
from nodes.files import tensors
from nodes.parts import DepthEstimator, Handle, ImageEncoder, MoVQ, Prior, TextEncoder, UNet
from nodes.systems import system_of

if TYPE_CHECKING:
    from torch import nn

CONVOLUTIONAL = (UNet, MoVQ, DepthEstimator)
OURS = (Prior, UNet, MoVQ)  # their layers are plain ones, which can be packed


def build(handle: Handle) -> nn.Module:
    """The network that `handle` names, without data (on the meta device).

    Raises UnsupportedConfig or CheckpointError for a config that says something the network cannot do.
    """
    from nodes.networks.config import UnsupportedConfig

    where = str(handle.folder / "config.json" if handle.folder.is_dir() else handle.folder)
    try:
        return _build(handle, where)
    except UnsupportedConfig as error:
        raise UnsupportedConfig(f"{where}: {error}") from None


def _build(handle: Handle, where: str) -> nn.Module:
    import torch

    if isinstance(handle, TextEncoder):
        return encoder_of(handle).build(handle.config, where)
    if isinstance(handle, ImageEncoder):
        return transformers_networks.image_encoder(handle.config, where)
    if isinstance(handle, DepthEstimator):
        return transformers_networks.depth_estimator(handle.config, where)
    with torch.device("meta"):
        if isinstance(handle, Prior):
            from nodes.networks.prior_transformer import PriorConfig, PriorTransformer

            return PriorTransformer(PriorConfig.read(handle.config))
        if isinstance(handle, UNet):
            return system_of(handle.system).unet(handle.config)
        if isinstance(handle, MoVQ):
            return system_of(handle.system).autoencoder(handle.config)
    raise TypeError(f"{type(handle).__name__} names no network")


def bytes_of(handle: Handle) -> int:
    """Memory that the weights of the network take which `handle` names."""
    return tensors.stored_bytes(handle.weights, handle.dtype, _wide(handle))


def _wide(handle: Handle) -> tuple[str, ...]:
    return encoder_of(handle).wide if isinstance(handle, TextEncoder) else ()


def open_network(handle: Handle, device: str) -> nn.Module:
    """The network that `handle` names, its weights in `handle.dtype` on `device`.

    Raises UnsupportedConfig or CheckpointError where config or weights are not what the network needs.
    """
    import torch

    network = build(handle)
    tensors.load(network, handle.weights, handle.dtype, device, transformers_networks.IGNORED, _wide(handle))
    if handle.loras:
        from nodes.weights.merge_lora import merge

        merge(network, handle)
    if isinstance(handle, CONVOLUTIONAL):
        # Convolutions are faster so on CPUs, and those in half precision on GPUs.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def open_to_compute(handle: Handle, home: str) -> nn.Module:
    """As `open_network`, laid out for computing: a network that works on the CPU is packed."""
    network = open_network(handle, home)
    if handle.device == "cpu" and isinstance(handle, OURS):
        from nodes.networks.packing import pack

        return pack(network)
    return network
