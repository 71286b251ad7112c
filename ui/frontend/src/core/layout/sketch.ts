/** A workflow as a few boxes and lines, for where there is no picture of what it makes. */
import { wiresInto } from '../workflow/links';
import type { NodeJson, WorkflowJson } from '../workflow/types';

export interface SketchBox {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Sketch {
  viewBox: string;
  boxes: SketchBox[];
  /** SVG paths. */
  wires: string[];
}

const WIDTH = 220;
const MARGIN = 60;
const COLUMNS = 4;
/** More is only grey. */
const MOST = 120;

/** Boxes where the nodes lie; a node that says no place stands in a row with the others of its kind. */
export function sketch(workflow: WorkflowJson): Sketch {
  const entries = Object.entries(workflow.nodes).slice(0, MOST);
  const boxes = entries.map(([id, node], index): SketchBox => {
    const [x, y] = placeOf(node) ?? [(index % COLUMNS) * 300, Math.floor(index / COLUMNS) * 220];
    const rows = Object.keys({ ...node.inputs, ...node.params }).length;
    return { id, x, y, width: WIDTH, height: 50 + 24 * Math.min(rows, 6) };
  });
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const wires = entries.flatMap(([id, node]) =>
    wiresInto(id, node).flatMap((wire) => {
      const [from, to] = [byId.get(wire.from.node), byId.get(id)];
      return from && to ? [curve(from, to)] : [];
    }),
  );
  return { viewBox: viewBox(boxes), boxes, wires };
}

function placeOf(node: NodeJson): [number, number] | null {
  const position: unknown = node.ui?.position;
  const fine = Array.isArray(position) && position.length === 2 && position.every(Number.isFinite);
  return fine ? (position as [number, number]) : null;
}

function curve(from: SketchBox, to: SketchBox): string {
  const [x0, y0, x1, y1] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  const bend = Math.max(40, Math.abs(x1 - x0) / 2);
  return `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
}

function viewBox(boxes: SketchBox[]): string {
  if (!boxes.length) return '0 0 100 100';
  const left = Math.min(...boxes.map((box) => box.x)) - MARGIN;
  const top = Math.min(...boxes.map((box) => box.y)) - MARGIN;
  const right = Math.max(...boxes.map((box) => box.x + box.width)) + MARGIN;
  const bottom = Math.max(...boxes.map((box) => box.y + box.height)) + MARGIN;
  return `${left} ${top} ${right - left} ${bottom - top}`;
}
