/** Putting nodes in order: by the direction of their wires, in line with each other, or spread evenly. */
import dagre from '@dagrejs/dagre';
import type { Catalogue } from '../server/catalogue';
import { around, boxOf, measure, SNAP, type Box } from './geometry';
import { wiresInto } from '../workflow/links';
import type { WorkflowJson } from '../workflow/types';

type Places = Map<string, [number, number]>;

const snapped = (value: number) => Math.round(value / SNAP) * SNAP;

/** Places for nodes from left to right along their wires; what is laid out keeps its upper left corner. */
export function layOut(workflow: WorkflowJson, catalogue: Catalogue, ids: string[]): Places {
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: 'LR', nodesep: 40, ranksep: 80 });
  graph.setDefaultEdgeLabel(() => ({}));
  const chosen = new Set(ids);
  for (const id of ids) {
    const { width, height } = measure(workflow.nodes[id], catalogue);
    graph.setNode(id, { width, height });
  }
  for (const id of ids) {
    for (const wire of wiresInto(id, workflow.nodes[id])) {
      if (chosen.has(wire.from.node)) graph.setEdge(wire.from.node, id);
    }
  }
  dagre.layout(graph);
  const laid = ids.map((id) => {
    const { x, y, width, height } = graph.node(id);
    return { id, x: x - width / 2, y: y - height / 2 };
  });
  const before = around(ids.map((id) => boxOf(workflow.nodes[id], catalogue)));
  const left = Math.min(...laid.map((place) => place.x));
  const top = Math.min(...laid.map((place) => place.y));
  const [x0, y0] = [before?.x ?? 0, before?.y ?? 0];
  return new Map(laid.map(({ id, x, y }) => [id, [snapped(x - left + x0), snapped(y - top + y0)]]));
}

export type Side = 'left' | 'right' | 'top' | 'bottom';

/** Places for nodes whose sides are to be in one line. */
export function align(workflow: WorkflowJson, catalogue: Catalogue, ids: string[], side: Side): Places {
  const boxes = ids.map((id) => [id, boxOf(workflow.nodes[id], catalogue)] as const);
  const all = around(boxes.map(([, box]) => box));
  if (!all) return new Map();
  const place = (box: Box): [number, number] => {
    if (side === 'left') return [all.x, box.y];
    if (side === 'right') return [all.x + all.width - box.width, box.y];
    if (side === 'top') return [box.x, all.y];
    return [box.x, all.y + all.height - box.height];
  };
  return new Map(boxes.map(([id, box]) => [id, place(box)]));
}

/** Places for nodes with the same gap between each and the next. */
export function distribute(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  ids: string[],
  axis: 'across' | 'down',
): Places {
  const [start, length] = axis === 'across' ? (['x', 'width'] as const) : (['y', 'height'] as const);
  const boxes = ids.map((id) => ({ id, box: boxOf(workflow.nodes[id], catalogue) }));
  boxes.sort((a, b) => a.box[start] - b.box[start]);
  const all = around(boxes.map(({ box }) => box));
  if (!all || boxes.length < 3) return new Map();
  const filled = boxes.reduce((sum, { box }) => sum + box[length], 0);
  const gap = (all[length] - filled) / (boxes.length - 1);
  let at = all[start];
  return new Map(
    boxes.map(({ id, box }) => {
      const place: [number, number] = axis === 'across' ? [at, box.y] : [box.x, at];
      at += box[length] + gap;
      return [id, place];
    }),
  );
}
