"""A small ray caster: a Scene becomes a picture, its exact depth, and which object each pixel shows.

numba is needed here and in shapes.py only; the product, which runs the trained weights, imports neither.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nodes.miniature.scenes.scenes import HORIZON_DEPTH, Scene
from nodes.miniature.scenes.shapes import TRIM, distance, noise, speck

EYE_Z = -6.3
PITCH = -0.10  # radians, downwards
HALF_WIDTH = 0.52  # tangent of half the angle of view

GRASS, WATER, STONE = 0, 3, 4
DAY, SUNSET, NIGHT, STORM = 0, 1, 2, 3
HOUSE = 6

GROUND_RGB = np.array(
    [(0.30, 0.55, 0.16), (0.83, 0.70, 0.44), (0.90, 0.93, 0.97), (0.10, 0.34, 0.50), (0.48, 0.47, 0.46)],
    np.float32,
)
GROUND_CONTRAST = np.array([0.30, 0.12, 0.06, 0.0, 0.12], np.float32)
# Per sky: colour at the zenith, at the horizon, of the sun, of the light from all around.
SKY_RGB = np.array(
    [
        [(0.25, 0.50, 0.90), (0.75, 0.87, 0.97), (1.00, 0.97, 0.90), (0.42, 0.47, 0.55)],
        [(0.28, 0.20, 0.48), (0.99, 0.55, 0.25), (1.00, 0.66, 0.40), (0.38, 0.28, 0.36)],
        [(0.02, 0.03, 0.12), (0.08, 0.10, 0.26), (0.58, 0.64, 0.82), (0.22, 0.24, 0.36)],
        [(0.28, 0.31, 0.35), (0.55, 0.58, 0.60), (0.55, 0.56, 0.58), (0.42, 0.44, 0.46)],
    ],
    np.float32,
)
SUN_STRENGTH = np.array([0.85, 0.85, 0.85, 0.55], np.float32)


@dataclass(frozen=True)
class Picture:
    """image (H, W, 3) float32 0..1; depth (H, W) float32 along the ray; ids (H, W) uint8, 0 = none."""

    image: NDArray[np.float32]
    depth: NDArray[np.float32]
    ids: NDArray[np.uint8]


def render(scene: Scene, size: int = 128, width: int | None = None, height: int | None = None) -> Picture:
    """Draw a scene as a square picture of `size` pixels, or with what a wider or higher one shows around."""
    light = np.array(
        [*scene.sun, math.sin(scene.sun_azimuth), math.cos(scene.sun_azimuth), scene.eye_height], np.float32
    )
    world = (scene.objects, scene.colours, scene.ground, scene.sky, light, scene.pattern)
    return Picture(*_draw(width or size, height or size, size, *world))


@njit(fastmath=True, cache=True)
def _march(origin, ray, thing, limit):  # type: ignore[no-untyped-def]
    """Walk a ray to one object: its distance (-1: missed), the part hit, and how narrowly it missed."""
    shape, radius = int(thing[0]), thing[3]
    to_x, to_y, to_z = thing[1] - origin[0], radius - origin[1], thing[2] - origin[2]
    along = to_x * ray[0] + to_y * ray[1] + to_z * ray[2]
    inside = along * along - (to_x * to_x + to_y * to_y + to_z * to_z - (1.42 * radius) ** 2)
    if inside < 0:
        return -1.0, 0, 9.0
    t, end = max(along - math.sqrt(inside), 0.002), min(along + math.sqrt(inside), limit)
    cos, sin = math.cos(thing[4]), math.sin(thing[4])
    part, nearest = 0, 9.0
    for _ in range(48):
        if t > end:
            return -1.0, 0, nearest
        x, z = origin[0] + ray[0] * t - thing[1], origin[2] + ray[2] * t - thing[2]
        y = origin[1] + ray[1] * t
        gap, part = distance(shape, (cos * x + sin * z) / radius, y / radius, (cos * z - sin * x) / radius)
        gap *= radius
        if gap < 0.004:
            return t, part, 0.0
        nearest = min(nearest, gap / t * 14.0)
        t += gap * 0.95
    return t, part, 0.0


@njit(fastmath=True, cache=True)
def _sky(ray, column, row, size, sky, light, pattern):  # type: ignore[no-untyped-def]
    """Colour of the sky along a ray: a gradient with a sun, clouds or stars."""
    height = min(max((ray[1] + 0.05) / 0.5, 0.0), 1.0)
    r = SKY_RGB[sky, 1, 0] * (1 - height) + SKY_RGB[sky, 0, 0] * height
    g = SKY_RGB[sky, 1, 1] * (1 - height) + SKY_RGB[sky, 0, 1] * height
    b = SKY_RGB[sky, 1, 2] * (1 - height) + SKY_RGB[sky, 0, 2] * height
    if sky == NIGHT and speck(column * 64 / size, row * 64 / size, pattern) > 0.99:
        return 0.85, 0.85, 0.9
    if sky == SUNSET:
        facing = max(ray[0] * light[3] + ray[1] * 0.06 + ray[2] * light[4], 0.0)
        glow = 0.75 * facing**180 + 0.25 * facing**20
        return min(r + glow, 1.0), min(g + glow * 0.75, 1.0), min(b + glow * 0.3, 1.0)
    if sky in (DAY, STORM):
        far = 1.0 / (max(ray[1], 0.0) + 0.16)
        cloud = 0.65 * noise(ray[0] * far * 1.3 + pattern, far * 1.3, pattern)
        cloud += 0.35 * noise(ray[0] * far * 3 + pattern, far * 3, pattern + 1)
        cover = min(max((cloud - 0.5) * 3, 0.0), 1.0) * min(max(ray[1] * 6, 0.0), 1.0)
        cover *= 0.75 if sky == DAY else 0.6
        grey = 0.95 if sky == DAY else 0.22
        return r + (grey - r) * cover, g + (grey - g) * cover, b + (grey - b) * cover
    return r, g, b


@njit(fastmath=True, cache=True)
def _ground(x, z, ground, sky, pattern):  # type: ignore[no-untyped-def]
    """Colour of the ground at (x, z), before light."""
    r, g, b = GROUND_RGB[ground, 0], GROUND_RGB[ground, 1], GROUND_RGB[ground, 2]
    if ground == WATER:
        wave = 0.8 + 0.3 * (math.sin(z * 4 + math.sin(x * 1.7) * 1.2 + pattern) * 0.5 + 0.5)
        mirror = min(max(z, 0.0) / 22.0 + 0.30, 0.8)
        r, g, b = (
            r + (SKY_RGB[sky, 1, 0] - r) * mirror,
            g + (SKY_RGB[sky, 1, 1] - g) * mirror,
            b + (SKY_RGB[sky, 1, 2] - b) * mirror,
        )
        return r * wave, g * wave, b * wave
    grain = noise(x * 1.8, z * 1.8, 7) * 0.65 + noise(x * 5, z * 3.5, 9) * 0.35
    tone = 1 + GROUND_CONTRAST[ground] * (grain - 0.5)
    if (
        ground == STONE
        and z < 12
        and (x * 0.9 - math.floor(x * 0.9) < 0.07 or z * 0.9 - math.floor(z * 0.9) < 0.07)
    ):
        tone *= 0.62
    return r * tone, g * tone, b * tone


@njit(fastmath=True, cache=True)
def _paint(thing, colour, part, x, y, z):  # type: ignore[no-untyped-def]
    """Colour before light, and the normal, of an object at a point of its surface."""
    shape, radius = int(thing[0]), thing[3]
    cos, sin = math.cos(thing[4]), math.sin(thing[4])
    dx, dz = x - thing[1], z - thing[2]
    lx, ly, lz = (cos * dx + sin * dz) / radius, y / radius, (cos * dz - sin * dx) / radius
    e, here = 0.004, distance(shape, lx, ly, lz)[0]
    nx = distance(shape, lx + e, ly, lz)[0] - here
    ny = distance(shape, lx, ly + e, lz)[0] - here
    nz = distance(shape, lx, ly, lz + e)[0] - here
    q = 1.0 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
    r, g, b = colour[0], colour[1], colour[2]
    if part == TRIM:
        r, g, b = 0.38, 0.24, 0.14
    elif shape == HOUSE and abs(lx) < 0.2 and ly < 0.6:
        r, g, b = 0.25, 0.15, 0.10  # the door
    return r, g, b, (cos * nx - sin * nz) * q, ny * q, (sin * nx + cos * nz) * q


@njit(fastmath=True, cache=True)
def _shadow(point, sun, objects, radius):  # type: ignore[no-untyped-def]
    """How much of the sun reaches a point (0..1): soft at the rim of a shadow."""
    lit = 1.0
    for thing in objects:
        hit, _, nearest = _march(point, sun, thing, radius)
        if hit > 0:
            return 0.0
        lit = min(lit, nearest)
    return max(lit, 0.0)


@njit(fastmath=True, cache=True)
def _trace(x, y, size, objects, colours, ground, sky, light, pattern):  # type: ignore[no-untyped-def]
    """Colour, depth and object number seen through a point x pixels right of, y below the middle."""
    u, v = x / size * 2 * HALF_WIDTH, -y / size * 2 * HALF_WIDTH
    cos, sin = math.cos(PITCH), math.sin(PITCH)
    ray = np.array([u, v * cos + sin, cos - v * sin])
    ray /= math.sqrt((ray * ray).sum())
    eye = np.array([0.0, light[5], EYE_Z])
    depth, which, part = 1e9, -1, 0
    for number in range(len(objects)):
        t, seen, _ = _march(eye, ray, objects[number], depth)
        if 0 < t < depth:
            depth, which, part = t, number, seen
    floor = -eye[1] / ray[1] if ray[1] < -1e-4 else 1e9
    if min(depth, floor) > HORIZON_DEPTH:
        r, g, b = _sky(ray, x + size / 2, y + size / 2, size, sky, light, pattern)
        return r, g, b, HORIZON_DEPTH, 0
    if floor < depth:
        depth, which = floor, -1
    point = eye + ray * depth
    normal = np.array([0.0, 1.0, 0.0])
    if which >= 0:
        r, g, b, normal[0], normal[1], normal[2] = _paint(
            objects[which], colours[which], part, point[0], point[1], point[2]
        )
    else:
        r, g, b = _ground(point[0], point[2], ground, sky, pattern)
    sun = light[:3].astype(np.float64)
    facing = max((normal * sun).sum(), 0.0)
    lit = _shadow(point + normal * 0.02, sun, objects, 30.0) if facing > 0 else 1.0
    around = 0.8 + 0.2 * min(point[1] / 0.5, 1.0)
    if which < 0:
        around = 1.0
        for thing in objects:
            gap = math.sqrt((point[0] - thing[1]) ** 2 + (point[2] - thing[2]) ** 2) / thing[3]
            around = min(around, 0.55 + 0.45 * min(max((gap - 0.5) / 0.9, 0.0), 1.0))
    ambient = around * (0.75 + 0.25 * normal[1]) * 1.05
    direct = SUN_STRENGTH[sky] * facing * lit
    half = sun - ray
    shine = max((normal * half).sum() / math.sqrt((half * half).sum()), 0.0) ** 40 * 0.35 * lit
    if which < 0:
        shine = 0.0
    fog = 1 - math.exp(-max(depth - 7.0, 0.0) * 0.035)
    rgb = np.array([r, g, b])
    for c in range(3):
        glow = (
            rgb[c] * (SKY_RGB[sky, 3, c] * ambient + SKY_RGB[sky, 2, c] * direct) + shine * SKY_RGB[sky, 2, c]
        )
        rgb[c] = min(max(glow * (1 - fog) + SKY_RGB[sky, 1, c] * fog, 0.0), 1.0)
    return rgb[0], rgb[1], rgb[2], depth, which + 1


@njit(fastmath=True, cache=True)
def _draw(width, height, size, objects, colours, ground, sky, light, pattern):  # type: ignore[no-untyped-def]
    """Trace every pixel once, then those on an edge four times more (antialiasing)."""
    raw = np.zeros((height, width, 3), np.float32)
    depth = np.zeros((height, width), np.float32)
    ids = np.zeros((height, width), np.uint8)
    left, top = 0.5 - width / 2, 0.5 - height / 2
    for j in range(height):
        for i in range(width):
            r, g, b, d, n = _trace(i + left, j + top, size, objects, colours, ground, sky, light, pattern)
            raw[j, i, 0], raw[j, i, 1], raw[j, i, 2], depth[j, i], ids[j, i] = r, g, b, d, n
    image = raw.copy()
    for j in range(1, height - 1):
        for i in range(1, width - 1):
            step = 0.0
            for c in range(3):
                step += abs(raw[j, i, c] - raw[j, i + 1, c]) + abs(raw[j, i, c] - raw[j + 1, i, c])
            here = ids[j, i]
            border = (
                here != ids[j, i + 1]
                or here != ids[j + 1, i]
                or here != ids[j - 1, i]
                or here != ids[j, i - 1]
            )
            if border or step > 0.3:
                image[j, i] = 0
                for k in range(4):
                    x, y = i + left - 0.25 + 0.5 * (k % 2), j + top - 0.25 + 0.5 * (k // 2)
                    r, g, b, _, _ = _trace(x, y, size, objects, colours, ground, sky, light, pattern)
                    image[j, i, 0] += r * 0.25
                    image[j, i, 1] += g * 0.25
                    image[j, i, 2] += b * 0.25
    return image, depth, ids
