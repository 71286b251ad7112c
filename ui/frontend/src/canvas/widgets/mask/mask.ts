/**
 * A mask being painted: bytes, row by row, 255 = repaint, 0 = keep. Every operation says which part it touched, so that
 * only that part is drawn again. Pure arithmetic: no canvas.
 */
import type { Point, Size } from '../../pictures/view';

/** Whole pixels. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Mask {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

export interface Brush {
  /** Pixels from the middle to where the brush ends. */
  radius: number;
  /** 0: soft from the middle on; 1: a sharp edge. */
  hardness: number;
  erase: boolean;
}

export type Shape = 'rectangle' | 'ellipse';

const LARGEST_SIDE = 2048;
/** What counts as painted where an area is filled: edges of strokes are softer, and filled over. */
const PAINTED = 250;

export function emptyMask([width, height]: Size): Mask {
  return { width, height, data: new Uint8ClampedArray(width * height) };
}

/** The size of a mask for a picture: the same, or smaller for a very large one. */
export function maskSize([width, height]: Size): Size {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

export function whole(mask: Mask): Area {
  return { x: 0, y: 0, width: mask.width, height: mask.height };
}

export function union(one: Area | null, other: Area | null): Area | null {
  if (!one || !other) return one ?? other;
  const [x, y] = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
  return {
    x,
    y,
    width: Math.max(one.x + one.width, other.x + other.width) - x,
    height: Math.max(one.y + one.height, other.y + other.height) - y,
  };
}

/** The pixels of the mask between two corners; null where there are none. */
function clipped(mask: Mask, left: number, top: number, right: number, bottom: number): Area | null {
  const x = Math.max(0, Math.floor(left));
  const y = Math.max(0, Math.floor(top));
  const width = Math.min(mask.width, Math.ceil(right)) - x;
  const height = Math.min(mask.height, Math.ceil(bottom)) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/**
 * A piece of a stroke from one point to the next (the same: a dot). A pixel gets what its distance from the line says;
 * going over it again does not add up.
 */
export function paintLine(mask: Mask, from: Point, to: Point, brush: Brush): Area | null {
  const { radius, erase } = brush;
  const { data } = mask;
  const area = clipped(
    mask,
    Math.min(from.x, to.x) - radius - 1,
    Math.min(from.y, to.y) - radius - 1,
    Math.max(from.x, to.x) + radius + 1,
    Math.max(from.y, to.y) + radius + 1,
  );
  if (!area) return null;
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy;
  // The edge of a sharp brush is one pixel wide, or it would look like stairs.
  const inner = Math.min(radius * brush.hardness, radius - 0.5);
  const outer = Math.max(radius, inner + 1);
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      const px = x + 0.5 - from.x;
      const py = y + 0.5 - from.y;
      const share = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const across = px - share * dx;
      const along = py - share * dy;
      const squared = across * across + along * along;
      if (squared >= outer * outer) continue;
      const ramp = Math.min(1, (outer - Math.sqrt(squared)) / (outer - inner));
      const value = Math.round(255 * ramp * ramp * (3 - 2 * ramp));
      const at = y * mask.width + x;
      data[at] = erase ? Math.min(data[at], 255 - value) : Math.max(data[at], value);
    }
  }
  return area;
}

export function paintShape(mask: Mask, shape: Shape, box: Area, erase: boolean): Area | null {
  const area = clipped(mask, box.x, box.y, box.x + box.width, box.y + box.height);
  if (!area) return null;
  const [rx, ry] = [box.width / 2, box.height / 2];
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      const u = (x + 0.5 - box.x) / rx - 1;
      const v = (y + 0.5 - box.y) / ry - 1;
      if (shape === 'rectangle' || u * u + v * v <= 1) mask.data[y * mask.width + x] = erase ? 0 : 255;
    }
  }
  return area;
}

/** Paints what is around a point, up to where it is painted already. Null where the point itself is. */
export function fillArea(mask: Mask, at: Point): Area | null {
  const { width, height, data } = mask;
  const [startX, startY] = [Math.floor(at.x), Math.floor(at.y)];
  const open = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] < PAINTED;
  if (!open(startX, startY)) return null;
  let area: Area | null = null;
  const todo = [startX, startY];
  while (todo.length) {
    const y = todo.pop()!;
    let x = todo.pop()!;
    if (!open(x, y)) continue;
    while (open(x - 1, y)) x--;
    const left = x;
    // One entry for each run of open pixels above and below, not for each pixel.
    let [above, below] = [false, false];
    for (; open(x, y); x++) {
      data[y * width + x] = 255;
      if (open(x, y - 1) !== above && (above = !above)) todo.push(x, y - 1);
      if (open(x, y + 1) !== below && (below = !below)) todo.push(x, y + 1);
    }
    area = union(area, { x: left, y, width: x - left, height: 1 });
  }
  return area;
}

export function fillAll(mask: Mask, value: 0 | 255): Area {
  mask.data.fill(value);
  return whole(mask);
}

export function invert(mask: Mask): Area {
  for (let at = 0; at < mask.data.length; at++) mask.data[at] = 255 - mask.data[at];
  return whole(mask);
}

/** The brightness (ITU-R BT.601, as Pillow counts) of pixels in RGBA, which have no transparent ones. */
export function fromPixels(rgba: Uint8ClampedArray, [width, height]: Size): Mask {
  const mask = emptyMask([width, height]);
  for (let at = 0; at < mask.data.length; at++) {
    mask.data[at] = (rgba[4 * at] * 299 + rgba[4 * at + 1] * 587 + rgba[4 * at + 2] * 114) / 1000;
  }
  return mask;
}

/** A part of the mask as pixels in RGBA: one colour, as opaque as it is painted. */
export function toPixels(
  mask: Mask,
  area: Area,
  [r, g, b]: [number, number, number],
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * area.width * area.height);
  let to = 0;
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      pixels[to++] = r;
      pixels[to++] = g;
      pixels[to++] = b;
      pixels[to++] = mask.data[y * mask.width + x];
    }
  }
  return pixels;
}
