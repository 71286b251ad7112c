import { inflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import {
  emptyMask,
  fillAll,
  fillArea,
  fromPixels,
  invert,
  maskSize,
  paintLine,
  paintShape,
  toPixels,
  union,
  type Area,
  type Mask,
} from '../../../src/canvas/widgets/mask/mask';
import { encodeGrey } from '../../../src/canvas/widgets/mask/png';
import { Strokes } from '../../../src/canvas/widgets/mask/strokes';
import { resizedBrush } from '../../../src/canvas/widgets/mask/tools';
import { coverage } from './coverage';

const SHARP = { radius: 4, hardness: 1, erase: false };
const at = (mask: Mask, x: number, y: number) => mask.data[y * mask.width + x];

function read(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(new Uint8Array(reader.result as ArrayBuffer));
    reader.readAsArrayBuffer(file);
  });
}

/** Pixels that differ between two masks lie in an area. */
function changedWithin(before: Uint8ClampedArray, mask: Mask, area: Area): boolean {
  return mask.data.every((value, index) => {
    const [x, y] = [index % mask.width, Math.floor(index / mask.width)];
    const inside = x >= area.x && x < area.x + area.width && y >= area.y && y < area.y + area.height;
    return inside || value === before[index];
  });
}

it('paints a dot as wide as the brush, and says where', () => {
  const mask = emptyMask([32, 32]);
  const area = paintLine(mask, { x: 16, y: 16 }, { x: 16, y: 16 }, SHARP)!;
  expect(at(mask, 16, 16)).toBe(255);
  expect(at(mask, 19, 16)).toBeGreaterThan(100);
  expect(at(mask, 21, 16)).toBe(0);
  expect(changedWithin(emptyMask([32, 32]).data, mask, area)).toBe(true);
  expect(area.width).toBeLessThan(14);
  // The area of a disc of radius 4.
  expect(coverage(mask) * 32 * 32).toBeCloseTo(Math.PI * 16, -0.5);
});

it('paints a line without gaps, and the same either way', () => {
  const [one, other] = [emptyMask([64, 64]), emptyMask([64, 64])];
  const [from, to] = [
    { x: 5, y: 9 },
    { x: 58, y: 50 },
  ];
  paintLine(one, from, to, SHARP);
  paintLine(other, to, from, SHARP);
  expect(one.data).toEqual(other.data);
  for (let share = 0; share <= 1; share += 0.01) {
    const [x, y] = [from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)];
    expect(at(one, Math.floor(x), Math.floor(y))).toBe(255);
  }
});

it('has soft edges by its hardness, which do not add up', () => {
  const soft = { radius: 10, hardness: 0, erase: false };
  const mask = emptyMask([40, 40]);
  paintLine(mask, { x: 20, y: 20 }, { x: 20, y: 20 }, soft);
  const row = [20, 23, 26, 29].map((x) => at(mask, x, 20));
  expect(row[0]).toBeGreaterThan(row[1]);
  expect(row[1]).toBeGreaterThan(row[2]);
  expect(row[2]).toBeGreaterThan(row[3]);
  expect(row[3]).toBeLessThan(20);
  const before = mask.data.slice();
  paintLine(mask, { x: 20, y: 20 }, { x: 20, y: 20 }, soft);
  expect(mask.data).toEqual(before);
});

it('erases what it painted', () => {
  const mask = emptyMask([32, 32]);
  const [from, to] = [
    { x: 8, y: 8 },
    { x: 24, y: 20 },
  ];
  paintLine(mask, from, to, SHARP);
  paintLine(mask, from, to, { ...SHARP, radius: 6, erase: true });
  expect(coverage(mask)).toBe(0);
});

it('touches nothing beyond the mask', () => {
  const mask = emptyMask([16, 16]);
  expect(paintLine(mask, { x: -50, y: -50 }, { x: -40, y: -60 }, SHARP)).toBeNull();
  const area = paintLine(mask, { x: -2, y: 8 }, { x: 40, y: 8 }, SHARP)!;
  expect(area.x).toBe(0);
  expect(area.x + area.width).toBe(16);
  expect(paintShape(mask, 'rectangle', { x: 20, y: 0, width: 5, height: 5 }, false)).toBeNull();
});

it('paints rectangles and ellipses, and erases them', () => {
  const mask = emptyMask([100, 50]);
  paintShape(mask, 'rectangle', { x: 10, y: 10, width: 20, height: 30 }, false);
  expect(coverage(mask)).toBeCloseTo(600 / 5000);
  paintShape(mask, 'rectangle', { x: 10, y: 10, width: 20, height: 30 }, true);
  expect(coverage(mask)).toBe(0);
  paintShape(mask, 'ellipse', { x: 20, y: 5, width: 60, height: 40 }, false);
  expect(coverage(mask)).toBeCloseTo((Math.PI * 30 * 20) / 5000, 2);
  expect([at(mask, 21, 6), at(mask, 50, 25)]).toEqual([0, 255]);
});

it('fills what a ring encloses, and nothing outside', () => {
  const mask = emptyMask([80, 80]);
  for (let step = 0; step < 24; step++) {
    const point = (angle: number) => ({ x: 40 + 25 * Math.cos(angle), y: 40 + 25 * Math.sin(angle) });
    paintLine(mask, point((step * Math.PI) / 12), point(((step + 1) * Math.PI) / 12), SHARP);
  }
  const before = mask.data.slice();
  const area = fillArea(mask, { x: 40.7, y: 39.2 })!;
  expect(changedWithin(before, mask, area)).toBe(true);
  for (const [x, y] of [
    [40, 40],
    [24, 40],
    [40, 55],
    [52, 52],
  ]) {
    expect(at(mask, x, y)).toBe(255);
  }
  expect([at(mask, 5, 5), at(mask, 79, 40)]).toEqual([0, 0]);
  expect(fillArea(mask, { x: 40, y: 40 })).toBeNull();
  expect(fillArea(mask, { x: -3, y: 40 })).toBeNull();
});

it('fills a comb, with runs above and below of every kind', () => {
  const mask = emptyMask([21, 11]);
  for (let x = 1; x < 21; x += 2) {
    paintShape(mask, 'rectangle', { x, y: x % 4 === 1 ? 0 : 2, width: 1, height: 9 }, false);
  }
  fillArea(mask, { x: 0, y: 0 });
  expect(coverage(mask)).toBe(1);
});

it('fills, clears and inverts everything', () => {
  const mask = emptyMask([4, 4]);
  fillAll(mask, 255);
  expect(coverage(mask)).toBe(1);
  mask.data[3] = 100;
  invert(mask);
  expect([mask.data[0], mask.data[3]]).toEqual([0, 155]);
  expect(fillAll(mask, 0)).toEqual({ x: 0, y: 0, width: 4, height: 4 });
  expect(coverage(mask)).toBe(0);
});

it('is as large as the picture, up to 2048', () => {
  expect(maskSize([320, 200])).toEqual([320, 200]);
  expect(maskSize([8192, 4096])).toEqual([2048, 1024]);
  expect(maskSize([100000, 1])).toEqual([2048, 1]);
});

it('reads the brightness of pixels, and shows a part of itself as pixels', () => {
  const rgba = new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255, 255, 0, 0, 255, 0, 255, 0, 255]);
  const mask = fromPixels(rgba, [2, 2]);
  expect([...mask.data]).toEqual([255, 0, 76, 150]);
  expect([...toPixels(mask, { x: 0, y: 1, width: 2, height: 1 }, [1, 2, 3])]).toEqual([
    1, 2, 3, 76, 1, 2, 3, 150,
  ]);
});

it('joins areas', () => {
  const one = { x: 2, y: 3, width: 4, height: 5 };
  expect(union(one, { x: 0, y: 7, width: 1, height: 9 })).toEqual({ x: 0, y: 3, width: 6, height: 13 });
  expect(union(null, one)).toBe(one);
});

it('takes back every step and does it again', () => {
  const mask = emptyMask([50, 40]);
  const strokes = new Strokes(mask);
  const states = [mask.data.slice()];
  for (let step = 0; step < 12; step++) {
    strokes.begin();
    const point = { x: (step * 17) % 50, y: (step * 11) % 40 };
    strokes.touch(paintLine(mask, point, { x: 25, y: 20 }, { ...SHARP, erase: step % 3 === 2 }));
    if (step === 7) strokes.touch(invert(mask));
    strokes.end();
    states.push(mask.data.slice());
  }
  for (let step = 11; step >= 0; step--) {
    expect(strokes.undo()).not.toBeNull();
    expect(mask.data).toEqual(states[step]);
  }
  expect(strokes.undo()).toBeNull();
  for (let step = 1; step <= 12; step++) {
    strokes.redo();
    expect(mask.data).toEqual(states[step]);
  }
  expect(strokes.redoable).toBe(false);
});

it('cancels a step that was begun, and leaves no trace of it', () => {
  const mask = emptyMask([20, 20]);
  const strokes = new Strokes(mask);
  strokes.begin();
  strokes.touch(paintLine(mask, { x: 3, y: 3 }, { x: 9, y: 9 }, SHARP));
  expect(strokes.cancel()).not.toBeNull();
  expect(coverage(mask)).toBe(0);
  expect(strokes.undoable).toBe(false);
});

it('offers what was painted and thrown away, unless the picture changed its size', () => {
  const old = emptyMask([6, 6]);
  fillAll(old, 255);
  const mask = emptyMask([6, 6]);
  const strokes = new Strokes(mask, old);
  strokes.redo();
  expect(coverage(mask)).toBe(1);
  strokes.undo();
  expect(coverage(mask)).toBe(0);
  expect(new Strokes(emptyMask([5, 6]), old).redoable).toBe(false);
});

it('is written as a PNG in grey that gives the same mask', async () => {
  const mask = emptyMask([37, 23]);
  paintLine(mask, { x: 5, y: 5 }, { x: 30, y: 18 }, { radius: 6, hardness: 0.3, erase: false });
  const bytes = await read(await encodeGrey(mask));
  const view = new DataView(bytes.buffer);
  expect([...bytes.subarray(1, 4)].map((code) => String.fromCharCode(code)).join('')).toBe('PNG');
  expect([view.getUint32(16), view.getUint32(20), ...bytes.subarray(24, 29)]).toEqual([
    37, 23, 8, 0, 0, 0, 0,
  ]);
  const length = view.getUint32(33);
  const rows = inflateSync(bytes.subarray(41, 41 + length));
  const found = emptyMask([37, 23]);
  for (let y = 0; y < 23; y++) {
    expect(rows[y * 38]).toBe(2);
    for (let x = 0; x < 37; x++) {
      const above = y ? found.data[(y - 1) * 37 + x] : 0;
      found.data[y * 37 + x] = (rows[y * 38 + 1 + x] + above) & 255;
    }
  }
  expect(found.data).toEqual(mask.data);
  // The end chunk's checksum is a constant of the specification.
  expect(view.getUint32(bytes.length - 4)).toBe(0xae426082);
});

it('resizes the brush in steps that can be felt', () => {
  expect([resizedBrush(100, true), resizedBrush(100, false)]).toEqual([120, 80]);
  expect([resizedBrush(1, false), resizedBrush(1, true), resizedBrush(500, true)]).toEqual([1, 2, 512]);
});
