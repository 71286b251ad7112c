"""What people may say about a scene, and every word of it.

A caption names the objects and may leave out their size, their place, the ground or the sky. All words the
miniature knows come from the phrases in this file: `VOCABULARY` lists them.
"""

import re
import string

import numpy as np

from nodes.miniature.scenes.scenes import BESIDE, COLOURS, SHAPES, SIZES, Attributes, Thing

NOUNS = tuple(
    {"sphere": ("sphere", "ball"), "cube": ("cube", "box")}.get(shape, (shape,)) for shape in SHAPES
)
PLACES = (
    ("on the left", "at the left"),
    ("in the middle", "in the center"),
    ("on the right", "at the right"),
)
BESIDE_PHRASES = (
    ("{0} left of {1}", "{0} to the left of {1}"),
    ("{1} right of {0}", "{1} to the right of {0}"),
)
BEHIND_PHRASES = (("{0} in front of {1}", "{0} before {1}"), ("{1} behind {0}",))
TOGETHER = ("{0} and {1}", "{0} with {1}", "{0} next to {1}", "{0} near {1}")
GROUND_PHRASES = (
    ("on grass", "on the grass", "in a meadow"),
    ("on sand", "on the sand", "on a beach", "in the desert"),
    ("on snow", "in the snow", "in winter"),
    ("on water", "on the water", "on the sea"),
    ("on stone", "on stone tiles", "on a stone floor"),
)
SKY_PHRASES = (
    ("by day", "in daylight", "on a sunny day", "under a clear sky"),
    ("at sunset", "at dusk", "in the evening"),
    ("at night", "under the stars", "under a starry sky"),
    ("in a storm", "under storm clouds", "on a cloudy day"),
)
OPENINGS = ("a picture of", "a photo of", "an image of", "a render of")


def full_caption(attributes: Attributes) -> str:
    """The plainest caption that says everything about a scene."""
    things = [_thing(thing, NOUNS[thing.shape][0], sized=True) for thing in attributes.things]
    if len(things) == 1:
        subject = f"{things[0]} {PLACES[attributes.position][0]}"
    else:
        phrases = BESIDE_PHRASES if attributes.order == BESIDE else BEHIND_PHRASES
        subject = phrases[0][0].format(*things)
    return f"{subject} {GROUND_PHRASES[attributes.ground][0]} {SKY_PHRASES[attributes.sky][0]}"


def caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """One of the many ways to say it, often with something left out."""
    things = []
    for thing in attributes.things:
        nouns = NOUNS[thing.shape]
        noun = nouns[0] if rng.random() < 0.7 else nouns[-1]
        things.append(_thing(thing, noun, sized=rng.random() < (0.55 if thing.size != 1 else 0.2)))
    parts = [_subject(attributes, things, rng)]
    settings = [GROUND_PHRASES[attributes.ground], SKY_PHRASES[attributes.sky]]
    if rng.random() < 0.2:
        settings.reverse()
    parts += [_pick(phrases, rng) for phrases in settings if rng.random() < 0.88]
    text = (", " if rng.random() < 0.2 else " ").join(parts)
    return f"{OPENINGS[rng.integers(len(OPENINGS))]} {text}" if rng.random() < 0.1 else text


def noisy_caption(attributes: Attributes, rng: np.random.Generator) -> str:
    """A caption with one or two words that mean nothing, so that unknown words do little harm."""
    words = caption(attributes, rng).split()
    for _ in range(rng.integers(1, 3)):
        letters = rng.choice(list(string.ascii_lowercase), rng.integers(2, 8))
        words.insert(int(rng.integers(len(words) + 1)), "".join(letters))
    return " ".join(words)


def words_of(text: str) -> list[str]:
    """The words and commas of a text, in lower case."""
    return re.findall(r"[a-z]+|,", text.lower())


def _subject(attributes: Attributes, things: list[str], rng: np.random.Generator) -> str:
    if len(things) == 1:
        return f"{things[0]} {_pick(PLACES[attributes.position], rng)}" if rng.random() < 0.6 else things[0]
    if rng.random() < 0.2:
        return _pick(TOGETHER, rng).format(*things)
    phrases = BESIDE_PHRASES if attributes.order == BESIDE else BEHIND_PHRASES
    return _pick(phrases[rng.integers(2)], rng).format(*things)


def _thing(thing: Thing, noun: str, *, sized: bool) -> str:
    words = f"{COLOURS[thing.colour]} {noun}"
    if sized:
        words = f"{SIZES[thing.size]} {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _pick(phrases: tuple[str, ...], rng: np.random.Generator) -> str:
    """The first phrase half of the time, else any."""
    return phrases[0] if rng.random() < 0.5 else phrases[rng.integers(len(phrases))]


VOCABULARY = tuple(
    sorted(
        {
            word
            for phrases in (
                *NOUNS,
                COLOURS,
                SIZES,
                *PLACES,
                *BESIDE_PHRASES,
                *BEHIND_PHRASES,
                TOGETHER,
                *GROUND_PHRASES,
                *SKY_PHRASES,
                OPENINGS,
                ("a", "an", ","),
            )
            for phrase in phrases
            for word in words_of(phrase)
        }
    )
)
