/** Undo and redo of painting: for each step the part of the mask that it changed, as it was. */
import { union, type Area, type Mask } from './mask';

interface Patch {
  area: Area;
  data: Uint8ClampedArray;
}

const MOST_BYTES = 96 * 2 ** 20;

export class Strokes {
  private past: Patch[] = [];
  private future: Patch[] = [];
  /** The mask before the step that is being made. */
  private before: Uint8ClampedArray | null = null;
  private touched: Area | null = null;

  /** `abandoned`: a mask that was painted before and thrown away; redo brings it back. */
  constructor(
    private readonly mask: Mask,
    abandoned: Mask | null = null,
  ) {
    if (abandoned?.width !== mask.width || abandoned.height !== mask.height) return;
    const area = { x: 0, y: 0, width: mask.width, height: mask.height };
    this.future.push({ area, data: abandoned.data.slice() });
  }

  get undoable(): boolean {
    return this.past.length > 0;
  }

  get redoable(): boolean {
    return this.future.length > 0;
  }

  begin(): void {
    this.before = this.mask.data.slice();
    this.touched = null;
  }

  touch(area: Area | null): void {
    this.touched = union(this.touched, area);
  }

  end(): void {
    if (!this.before || !this.touched) return;
    this.past.push({ area: this.touched, data: cut(this.before, this.mask.width, this.touched) });
    this.future = [];
    this.before = null;
    let bytes = this.past.reduce((sum, patch) => sum + patch.data.length, 0);
    while (bytes > MOST_BYTES && this.past.length > 1) bytes -= this.past.shift()!.data.length;
  }

  /** Takes back what was begun; says what changed by that. */
  cancel(): Area | null {
    if (!this.before || !this.touched) return null;
    paste(this.mask, { area: this.touched, data: cut(this.before, this.mask.width, this.touched) });
    this.before = null;
    return this.touched;
  }

  undo(): Area | null {
    return this.swap(this.past, this.future);
  }

  redo(): Area | null {
    return this.swap(this.future, this.past);
  }

  private swap(from: Patch[], to: Patch[]): Area | null {
    const patch = from.pop();
    if (!patch) return null;
    to.push({ area: patch.area, data: cut(this.mask.data, this.mask.width, patch.area) });
    paste(this.mask, patch);
    return patch.area;
  }
}

function cut(data: Uint8ClampedArray, width: number, area: Area): Uint8ClampedArray {
  const part = new Uint8ClampedArray(area.width * area.height);
  for (let row = 0; row < area.height; row++) {
    const start = (area.y + row) * width + area.x;
    part.set(data.subarray(start, start + area.width), row * area.width);
  }
  return part;
}

function paste(mask: Mask, { area, data }: Patch): void {
  for (let row = 0; row < area.height; row++) {
    const line = data.subarray(row * area.width, (row + 1) * area.width);
    mask.data.set(line, (area.y + row) * mask.width + area.x);
  }
}
