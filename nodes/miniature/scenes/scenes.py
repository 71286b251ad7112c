"""What a scene of the miniature's world is: its attributes, and where they put things in space.

The world has one or two objects (shape, colour, size) on a ground under a sky. `sample_attributes` draws
the words of a scene, `place` turns them into coordinates for the renderer; both are pure functions of the
generator that they are given, so scene number `i` of seed `s` is the same scene for ever.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SHAPES = ("sphere", "cube", "cone", "cylinder", "ring", "star", "house", "tree")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
SIZES = ("small", "medium", "large")
GROUNDS = ("grass", "sand", "snow", "water", "stone")
SKIES = ("day", "sunset", "night", "storm")
POSITIONS = ("left", "middle", "right")
BESIDE, BEHIND = 0, 1  # how the two objects of a pair stand: 0 left of 1, or 0 in front of 1

COLOUR_RGB = np.array(
    [
        (0.86, 0.10, 0.10),
        (0.96, 0.50, 0.06),
        (0.97, 0.86, 0.12),
        (0.10, 0.62, 0.18),
        (0.12, 0.26, 0.88),
        (0.52, 0.14, 0.72),
        (0.98, 0.50, 0.70),
        (0.95, 0.95, 0.95),
    ],
    np.float32,
)

SINGLE_RADIUS = (0.95, 1.30, 1.70)
PAIR_RADIUS = (0.80, 1.08, 1.38)
HORIZON_DEPTH = 60.0  # the depth given to the sky, in world units
SUN_HEIGHT = (0.85, 0.38, 0.75, 1.0)  # radians above the horizon, per sky

# The columns of `Attributes.row`: name and number of classes.
ATTRIBUTES = {
    "count": 2,
    "shape_0": len(SHAPES),
    "colour_0": len(COLOURS),
    "size_0": len(SIZES),
    "shape_1": len(SHAPES),
    "colour_1": len(COLOURS),
    "size_1": len(SIZES),
    "order": 2,
    "position": len(POSITIONS),
    "ground": len(GROUNDS),
    "sky": len(SKIES),
}


@dataclass(frozen=True)
class Thing:
    """One object by its words: indices into SHAPES, COLOURS, SIZES."""

    shape: int
    colour: int
    size: int


@dataclass(frozen=True)
class Attributes:
    """A scene by its words. `position` counts for one object, `order` (BESIDE, BEHIND) for two."""

    things: tuple[Thing, ...]
    order: int
    position: int
    ground: int
    sky: int

    def row(self) -> list[int]:
        """The values in the order of ATTRIBUTES, -1 where one does not apply."""
        first, *rest = self.things
        second = [rest[0].shape, rest[0].colour, rest[0].size, self.order, -1] if rest else [-1] * 4
        tail = second if rest else [*second, self.position]
        return [len(rest), first.shape, first.colour, first.size, *tail, self.ground, self.sky]


def from_row(row: NDArray[np.integer]) -> Attributes:
    """The inverse of `Attributes.row`."""
    count, s0, c0, z0, s1, c1, z1, order, position, ground, sky = (int(v) for v in row)
    things = (Thing(s0, c0, z0), Thing(s1, c1, z1)) if count else (Thing(s0, c0, z0),)
    return Attributes(things, max(order, 0), max(position, 0), ground, sky)


@dataclass(frozen=True)
class Scene:
    """Coordinates for the renderer: objects (N, 5) of shape, x, z, radius, turn; their RGB; light, camera."""

    objects: NDArray[np.float32]
    colours: NDArray[np.float32]
    ground: int
    sky: int
    sun: NDArray[np.float32]  # unit direction
    sun_azimuth: float
    eye_height: float
    pattern: int  # seed of clouds, stars and waves


def sample_attributes(rng: np.random.Generator) -> Attributes:
    """Draw the words of a scene; the two objects of a pair always differ in shape or colour."""

    def thing() -> Thing:
        return Thing(
            int(rng.integers(len(SHAPES))), int(rng.integers(len(COLOURS))), int(rng.integers(len(SIZES)))
        )

    first, second = thing(), thing()
    if (first.shape, first.colour) == (second.shape, second.colour):
        other = (second.colour + int(rng.integers(1, len(COLOURS)))) % len(COLOURS)
        second = Thing(second.shape, other, second.size)
    things = (first,) if rng.random() < 0.5 else (first, second)
    return Attributes(
        things,
        int(rng.integers(2)),
        int(rng.integers(len(POSITIONS))),
        int(rng.integers(len(GROUNDS))),
        int(rng.integers(len(SKIES))),
    )


def place(attributes: Attributes, rng: np.random.Generator) -> Scene:
    """Give every object a place, a radius and a turn, the sun a direction, and the camera a height."""
    spots = _spots(attributes, rng)
    objects = np.zeros((len(spots), 5), np.float32)
    for row, thing, (x, z, radius) in zip(objects, attributes.things, spots, strict=True):
        turn = _turn(thing.shape, rng)
        row[:] = thing.shape, x, z, radius * rng.uniform(0.95, 1.05), turn
    azimuth = rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.1)
    height = SUN_HEIGHT[attributes.sky]
    sun = (np.sin(azimuth) * np.cos(height), np.sin(height), -np.cos(azimuth) * np.cos(height))
    shade = rng.uniform(0.93, 1.05)
    return Scene(
        objects,
        np.stack([COLOUR_RGB[thing.colour] * shade for thing in attributes.things]).astype(np.float32),
        attributes.ground,
        attributes.sky,
        np.array(sun, np.float32),
        float(azimuth * 0.3),
        float(rng.uniform(1.75, 2.05)),
        int(rng.integers(1000)),
    )


def _spots(attributes: Attributes, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """(x, z, radius) of each object, in world units; the camera looks along +z from z = -6.3."""
    sizes = [thing.size for thing in attributes.things]
    if len(sizes) == 1:
        x = (-1.45, 0.0, 1.45)[attributes.position] + rng.uniform(-0.15, 0.15)
        return [(x, rng.uniform(-0.2, 0.4), SINGLE_RADIUS[sizes[0]])]
    near, far = PAIR_RADIUS[sizes[0]], PAIR_RADIUS[sizes[1]]
    if attributes.order == BESIDE:
        left, right = -1.55 + rng.uniform(-0.1, 0.1), 1.55 + rng.uniform(-0.1, 0.1)
        return [(left, rng.uniform(-0.3, 0.4), near), (right, rng.uniform(-0.3, 0.4), far)]
    side = rng.choice((-1.0, 1.0)) * rng.uniform(0.95, 1.2)
    return [
        (side, -1.1 + rng.uniform(-0.2, 0.2), near * 0.85),
        (-side, 1.9 + rng.uniform(-0.2, 0.3), far * 1.3),
    ]


def replaced(
    attributes: Attributes, placed: Scene, which: int, rng: np.random.Generator
) -> tuple[Attributes, Scene]:
    """The same scene with a thing of another shape and colour in the place of thing number `which`."""
    old = attributes.things[which]
    shape = (old.shape + int(rng.integers(1, len(SHAPES)))) % len(SHAPES)
    colour = (old.colour + int(rng.integers(1, len(COLOURS)))) % len(COLOURS)
    things = list(attributes.things)
    things[which] = Thing(shape, colour, old.size)
    objects, colours = placed.objects.copy(), placed.colours.copy()
    objects[which, 0], objects[which, 4] = shape, _turn(shape, rng)
    colours[which] = COLOUR_RGB[colour] * (placed.colours[which].max() / COLOUR_RGB[old.colour].max())
    scene = replace(placed, objects=objects, colours=colours)
    return replace(attributes, things=tuple(things)), scene


def without(placed: Scene, which: int) -> Scene:
    """The same scene without thing number `which` of two."""
    left = [1 - which]
    return replace(placed, objects=placed.objects[left], colours=placed.colours[left])


def moved(attributes: Attributes, rng: np.random.Generator) -> Attributes:
    """The same things under the same sky, of other sizes and in other places."""
    things = [replace(thing, size=int(rng.integers(len(SIZES)))) for thing in attributes.things]
    if rng.random() < 0.5:
        things.reverse()
    order, position = int(rng.integers(2)), int(rng.integers(len(POSITIONS)))
    return replace(attributes, things=tuple(things), order=order, position=position)


def _turn(shape: int, rng: np.random.Generator) -> float:
    flat = SHAPES[shape] in ("ring", "star", "house")  # these are known by their front
    return rng.uniform(-0.45, 0.45) if flat else rng.uniform(0.2, 0.7)
