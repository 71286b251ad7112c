"""Signed distance functions of the eight shapes, compiled with numba.

Each unit shape rests on y = 0 and is about two units high; distances are those of the usual closed forms
for a box, a capped cylinder, a torus, a cone and a five-pointed prism.
"""

import math

from numba import njit

BODY, TRIM = 0, 1  # the painted part, and what keeps its own colour: a roof, a trunk


@njit(fastmath=True, cache=True)
def _box(x: float, y: float, z: float, w: float, h: float, d: float) -> float:
    a, b, c = abs(x) - w, abs(y) - h, abs(z) - d
    outside = math.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2 + max(c, 0.0) ** 2)
    return outside + min(max(a, max(b, c)), 0.0)


@njit(fastmath=True, cache=True)
def _cylinder(x: float, y: float, z: float, radius: float, half_height: float) -> float:
    a, b = math.sqrt(x * x + z * z) - radius, abs(y) - half_height
    return math.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2) + min(max(a, b), 0.0)


@njit(fastmath=True, cache=True)
def _star(x: float, y: float, radius: float, inner: float) -> float:
    """Distance in the plane to a star with five points: fold into one arm, then measure to its edge."""
    cos36, sin36 = 0.809016994375, 0.587785252292
    x = abs(x)
    fold = max(cos36 * x - sin36 * y, 0.0) * 2.0
    x -= fold * cos36
    y += fold * sin36
    fold = max(-cos36 * x - sin36 * y, 0.0) * 2.0
    x += fold * cos36
    y += fold * sin36
    x = abs(x)
    y -= radius
    edge_x, edge_y = inner * sin36, inner * cos36 - 1.0
    along = (x * edge_x + y * edge_y) / (edge_x * edge_x + edge_y * edge_y)
    along = min(max(along, 0.0), radius)
    gap = math.sqrt((x - edge_x * along) ** 2 + (y - edge_y * along) ** 2)
    return gap if y * edge_x - x * edge_y > 0 else -gap


@njit(fastmath=True, cache=True)
def distance(shape: int, x: float, y: float, z: float) -> tuple[float, int]:
    """Signed distance to unit shape number `shape` (the order of scenes.SHAPES), and its part there."""
    if shape == 0:
        return math.sqrt(x * x + (y - 1.0) ** 2 + z * z) - 1.0, BODY
    if shape == 1:
        return _box(x, y - 0.8, z, 0.76, 0.76, 0.76) - 0.04, BODY
    if shape == 2:
        side = (math.sqrt(x * x + z * z) - 0.95 * (2.0 - y) / 2.0) * 0.903
        return max(side, max(-y, y - 2.0)), BODY
    if shape == 3:
        return _cylinder(x, y - 0.95, z, 0.68, 0.95), BODY
    if shape == 4:
        tube = math.sqrt(x * x + (y - 1.0) ** 2) - 0.74
        return math.sqrt(tube * tube + z * z) - 0.26, BODY
    if shape == 5:
        outline, thick = _star(x, y - 0.93, 1.1, 0.45), abs(z) - 0.22
        if outline > 0 and thick > 0:
            return math.sqrt(outline * outline + thick * thick) - 0.04, BODY
        return max(outline, thick) - 0.04, BODY
    if shape == 6:
        walls = _box(x, y - 0.5, z, 0.8, 0.5, 0.7)
        roof = max(max((abs(x) + (y - 1.0) * 1.05 - 0.98) * 0.69, 1.0 - y), abs(z) - 0.8)
        return (roof, TRIM) if roof < walls else (walls, BODY)
    trunk = _cylinder(x, y - 0.4, z, 0.17, 0.4)
    crown = math.sqrt(x * x + (y - 1.15) ** 2 + z * z) - 0.62
    crown = min(crown, math.sqrt(x * x + (y - 1.62) ** 2 + z * z) - 0.45)
    return (trunk, TRIM) if trunk < crown else (crown, BODY)


@njit(fastmath=True, cache=True)
def _hash(i: int, j: int, seed: int) -> float:
    n = (i * 374761393 + j * 668265263 + seed * 974711) & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65535.0


@njit(fastmath=True, cache=True)
def noise(x: float, y: float, seed: int) -> float:
    """Smooth value noise in 0..1 with cells of size one."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    low = _hash(i, j, seed) * (1 - u) + _hash(i + 1, j, seed) * u
    high = _hash(i, j + 1, seed) * (1 - u) + _hash(i + 1, j + 1, seed) * u
    return low * (1 - v) + high * v


@njit(fastmath=True, cache=True)
def speck(x: float, y: float, seed: int) -> float:
    """White noise in 0..1, constant over each cell of size one."""
    return _hash(math.floor(x), math.floor(y), seed)
