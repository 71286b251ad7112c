/** Picking nodes up from far away, where the pointer meets a picture: what it hits is found by coordinates. */
import { positionOf, SNAP } from '../../core/layout/geometry';
import type { Catalogue } from '../../core/server/catalogue';
import type { WorkflowJson } from '../../core/workflow/types';
import type { Editor } from '../state/editor.svelte';
import { nodeAt, sceneOf } from './draw';

type Point = [number, number];

/** What the hand has to know of the surface that it works on. */
export interface Ground {
  editor: Editor;
  catalogue: Catalogue;
  workflow(): WorkflowJson;
  snap(): boolean;
  /** Where on the canvas a point of the window is. */
  toCanvas(x: number, y: number): Point;
}

export class Hand {
  /** Where nodes are while they are dragged. */
  dragged = $state.raw<Map<string, Point> | null>(null);
  /** The box that is being drawn around nodes, in pixels of the surface. */
  box = $state.raw<{ x: number; y: number; width: number; height: number } | null>(null);
  /** Whether it took the last press, which nobody else must then take for panning. */
  holds = false;

  constructor(private ground: Ground) {}

  press(event: PointerEvent) {
    this.holds = false;
    if (event.button !== 0 || !(event.target as Element).closest('.svelte-flow__pane')) return;
    const { workflow, catalogue, toCanvas } = this.ground;
    const start = toCanvas(event.clientX, event.clientY);
    const hit = nodeAt(sceneOf(workflow(), catalogue), start);
    if (!hit && !event.shiftKey) return;
    this.holds = true;
    event.stopPropagation();
    if (hit) this.pickUp(event, hit, start);
    else this.drawBox(event, start);
  }

  private pickUp(event: PointerEvent, hit: string, start: Point) {
    const { editor, workflow, snap } = this.ground;
    if (event.shiftKey || event.ctrlKey || event.metaKey) {
      const next = new Set(editor.selected);
      if (!next.delete(hit)) next.add(hit);
      editor.select(next);
    } else if (!editor.selected.has(hit)) editor.select([hit]);
    const ids = [...editor.selected];
    const place = (value: number) => (snap() ? Math.round(value / SNAP) * SNAP : value);
    this.follow(event, ([x, y], end) => {
      if (end) {
        if (this.dragged) editor.move(this.dragged);
        this.dragged = null;
        return;
      }
      const shifted = ids.map((id): [string, Point] => {
        const [px, py] = positionOf(workflow().nodes[id]);
        return [id, [place(px + x - start[0]), place(py + y - start[1])]];
      });
      this.dragged = new Map(shifted);
    });
  }

  private drawBox(event: PointerEvent, start: Point) {
    const { editor, workflow, catalogue } = this.ground;
    const rect = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x0, y0] = [event.clientX - rect.left, event.clientY - rect.top];
    this.follow(event, ([x, y], end, moved) => {
      const [x1, y1] = [moved.clientX - rect.left, moved.clientY - rect.top];
      this.box = {
        x: Math.min(x0, x1),
        y: Math.min(y0, y1),
        width: Math.abs(x1 - x0),
        height: Math.abs(y1 - y0),
      };
      if (!end) return;
      this.box = null;
      const [left, right] = [Math.min(x, start[0]), Math.max(x, start[0])];
      const [top, bottom] = [Math.min(y, start[1]), Math.max(y, start[1])];
      const hit = sceneOf(workflow(), catalogue).nodes.filter(
        ({ box: b }) => b.x < right && b.x + b.width > left && b.y < bottom && b.y + b.height > top,
      );
      editor.select(hit.map(({ id }) => id));
    });
  }

  private follow(event: PointerEvent, step: (at: Point, end: boolean, moved: PointerEvent) => void) {
    const target = event.currentTarget as HTMLElement;
    const at = (moved: PointerEvent) => this.ground.toCanvas(moved.clientX, moved.clientY);
    target.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent) => step(at(moved), false, moved);
    const up = (moved: PointerEvent) => {
      target.removeEventListener('pointermove', move);
      step(at(moved), true, moved);
    };
    target.addEventListener('pointermove', move);
    target.addEventListener('pointerup', up, { once: true });
  }
}
