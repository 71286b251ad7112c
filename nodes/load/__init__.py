"""Nodes that load: checkpoints, LoRAs, tensors."""
