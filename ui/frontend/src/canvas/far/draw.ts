/** The whole graph drawn on one picture: what is seen from far away, and the minimap. */
import type { Catalogue } from '../../core/server/catalogue';
import { outputType } from '../../core/view/fits';
import { boxOf, measure, positionOf, type Box } from '../../core/layout/geometry';
import { handleOf, wiresInto } from '../../core/workflow/links';
import type { Group, NodeJson, WorkflowJson } from '../../core/workflow/types';
import { curves, type Point } from '../wires/path';

export interface View {
  x: number;
  y: number;
  zoom: number;
}

/** Theme colours, as the stylesheet names them. */
export interface Paint {
  surface: string;
  header: string;
  border: string;
  text: string;
  select: string;
  accent: string;
  ok: string;
  danger: string;
}

export function readPaint(element: Element): Paint {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    surface: colour('--surface'),
    header: colour('--surface-2'),
    border: colour('--border-strong'),
    text: colour('--text'),
    select: colour('--select'),
    accent: colour('--accent'),
    ok: colour('--ok'),
    danger: colour('--danger'),
  };
}

interface Line {
  from: Point;
  to: Point;
  route: readonly Point[];
}

/** A workflow prepared for drawing: nothing is looked up again for each frame. */
export interface Scene {
  groups: Group[];
  nodes: { id: string; box: Box; title: string; tint: string | null; muted: boolean }[];
  /** By colour: all wires of one colour are one stroke. */
  wires: Map<string, Line[]>;
}

export function sceneOf(workflow: WorkflowJson, catalogue: Catalogue): Scene {
  const wires = new Map<string, Line[]>();
  const nodes = Object.entries(workflow.nodes).map(([id, node]) => {
    for (const wire of wiresInto(id, node)) {
      const source = workflow.nodes[wire.from.node];
      if (!source) continue;
      const colour = catalogue.colour(outputType(workflow, catalogue, wire.from));
      const line = {
        from: place(source, catalogue, 'source', wire.from.port),
        to: place(node, catalogue, 'target', handleOf(wire.to)),
        route: wire.ui.route ?? [],
      };
      const there = wires.get(colour);
      if (there) there.push(line);
      else wires.set(colour, [line]);
    }
    const title = node.ui?.title || catalogue.node(node.type)?.title || node.type;
    const muted = node.mode !== undefined && node.mode !== 'active';
    return { id, box: boxOf(node, catalogue), title, tint: node.ui?.colour ?? null, muted };
  });
  return { groups: workflow.ui?.groups ?? [], nodes, wires };
}

function place(node: NodeJson, catalogue: Catalogue, type: 'source' | 'target', id: string): Point {
  const { width, height, places } = measure(node, catalogue);
  const found = places.find((one) => one.type === type && one.id === id);
  const [x, y] = positionOf(node);
  return found ? [x + found.x, y + found.y] : [x + (type === 'source' ? width : 0), y + height / 2];
}

const HEADER = 34;

export function drawScene(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  size: { width: number; height: number },
  paint: Paint,
  state: {
    selected: ReadonlySet<string>;
    /** The colour that tells what a node is doing; null where it does nothing. */
    colourOf(id: string): string | null;
    pictureOf(id: string): CanvasImageSource | null;
    titles: boolean;
  },
): void {
  const { zoom } = view;
  const sees = (box: Box) =>
    box.x * zoom + view.x < size.width &&
    (box.x + box.width) * zoom + view.x > 0 &&
    box.y * zoom + view.y < size.height &&
    (box.y + box.height) * zoom + view.y > 0;
  context.save();
  context.translate(view.x, view.y);
  context.scale(zoom, zoom);
  for (const group of scene.groups) drawGroup(context, group);
  context.lineWidth = Math.max(2, 1.1 / zoom);
  for (const [colour, lines] of scene.wires) {
    context.strokeStyle = colour;
    context.beginPath();
    for (const line of lines) {
      if (!sees(spanOf(line))) continue;
      context.moveTo(...line.from);
      for (const [a, b, end] of curves(line.from, line.to, line.route)) {
        context.bezierCurveTo(a[0], a[1], b[0], b[1], end[0], end[1]);
      }
    }
    context.stroke();
  }
  const letters = Math.min(34, 11 / zoom);
  context.font = `600 ${letters}px system-ui, sans-serif`;
  context.textBaseline = 'top';
  for (const node of scene.nodes) {
    const { box } = node;
    if (!sees(box)) continue;
    context.globalAlpha = node.muted ? 0.45 : 1;
    context.fillStyle = paint.surface;
    context.fillRect(box.x, box.y, box.width, box.height);
    context.fillStyle = node.tint ?? paint.header;
    context.fillRect(box.x, box.y, box.width, Math.min(HEADER, box.height));
    const picture = state.pictureOf(node.id);
    if (picture && box.height > 200) {
      const side = Math.min(box.width - 16, box.height - HEADER - 16);
      context.drawImage(picture, box.x + (box.width - side) / 2, box.y + box.height - side - 8, side, side);
    }
    const doing = state.colourOf(node.id);
    const chosen = state.selected.has(node.id);
    context.lineWidth = (chosen || doing ? 2.4 : 1) / zoom;
    context.strokeStyle = chosen ? paint.select : (doing ?? paint.border);
    context.strokeRect(box.x, box.y, box.width, box.height);
    if (state.titles) drawTitle(context, node.title, box, letters, paint.text);
  }
  context.restore();
}

function drawGroup(context: CanvasRenderingContext2D, { box, colour, title }: Group): void {
  context.fillStyle = colour;
  context.globalAlpha = 0.1;
  context.fillRect(...box);
  context.globalAlpha = 0.3;
  context.fillRect(box[0], box[1], box[2], 32);
  context.globalAlpha = 1;
  context.font = '600 26px system-ui, sans-serif';
  context.textBaseline = 'top';
  context.fillText(title, box[0] + 8, box[1] + 2, box[2] - 16);
}

function drawTitle(
  context: CanvasRenderingContext2D,
  title: string,
  box: Box,
  letters: number,
  colour: string,
): void {
  context.fillStyle = colour;
  const room = Math.floor((box.width - 12) / (letters * 0.56));
  const text = title.length > room ? `${title.slice(0, Math.max(1, room - 1))}…` : title;
  context.fillText(text, box.x + 8, box.y + Math.max(2, (HEADER - letters) / 2));
}

function spanOf({ from, to, route }: Line): Box {
  let [left, top, right, bottom] = [from[0], from[1], from[0], from[1]];
  for (const [x, y] of [to, ...route]) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { x: left - 160, y: top - 20, width: right - left + 320, height: bottom - top + 40 };
}

/** The topmost node at a point of the canvas; null where there is none. */
export function nodeAt(scene: Scene, [x, y]: Point): string | null {
  const hit = scene.nodes.findLast(
    ({ box }) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height,
  );
  return hit?.id ?? null;
}
