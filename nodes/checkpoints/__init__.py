"""Find, fetch, inspect, open and place the weights of a checkpoint in the diffusers folder layout.

Finding and inspecting import no torch, so that planning is instant. Weights are safetensors only: nothing is
ever unpickled, and every size that a stranger's file states is checked before it is believed.
"""
