"""A network's weights: opened, placed, streamed, offloaded, and changed by LoRAs."""
