/** Sizes of pictures that people often want. */
import { isAllowed, type Range } from './numbers';

export type Size = [number, number];

const PRESETS: Size[] = [
  [64, 64],
  [128, 128],
  [192, 128],
  [128, 192],
  [256, 256],
  [512, 512],
  [768, 512],
  [512, 768],
  [768, 768],
  [1024, 768],
  [768, 1024],
  [1024, 1024],
];

export function presets(width?: Range, height?: Range): Size[] {
  return PRESETS.filter(([w, h]) => isAllowed(w, 'int', width) && isAllowed(h, 'int', height));
}

export function sizeName([width, height]: Size): string {
  return width === height ? `${width}²` : `${width} × ${height}`;
}
