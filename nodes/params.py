"""Params that several nodes have: type, range and help in one place."""

from typing import Annotated

from graph.node import Range, Seed

LONGEST_SIDE = 8192  # pixels
MOST_STEPS = 1000
LARGEST_SEED = 2**53 - 1  # the largest number that JSON readers everywhere keep exactly

Width = Annotated[int, Range(1, LONGEST_SIDE), "Width in pixels."]
Height = Annotated[int, Range(1, LONGEST_SIDE), "Height in pixels."]
Steps = Annotated[int | None, Range(1, MOST_STEPS), "How many steps; null: what the checkpoint recommends."]
Guidance = Annotated[
    float | None,
    Range(0.0, 100.0, 0.1),
    "How closely to follow the prompt; 1 or less turns guidance off, which saves time; null: what the "
    "checkpoint recommends.",
]
Dice = Annotated[int, Range(0, LARGEST_SEED), Seed(), "The same seed gives the same result."]
Copies = Annotated[int, Range(1, 64), "How many different results to make of each prompt."]
