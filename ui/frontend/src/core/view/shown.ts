/** The difference of two workflows as the canvas shows it: both in one picture. */
import { diff } from '../workflow/diff';
import type { Wire } from '../workflow/links';
import type { WorkflowJson } from '../workflow/types';

export type How = 'added' | 'removed' | 'changed';

export interface Shown {
  nodes: Map<string, How>;
  wires: Map<string, How>;
  /** What is there now, and the nodes that are there no more. */
  merged: WorkflowJson;
  /** Wires that are there no more between nodes that are. */
  cut: Wire[];
}

export function showDiff(before: WorkflowJson, after: WorkflowJson): Shown {
  const found = diff(before, after);
  const removed = new Set(found.nodes.removed);
  const nodes = new Map<string, How>([
    ...found.nodes.added.map((id) => [id, 'added'] as const),
    ...found.nodes.removed.map((id) => [id, 'removed'] as const),
    ...found.nodes.changed
      .filter(({ moved, ...change }) => !moved || change.params.length || change.mode || change.title)
      .map(({ id }) => [id, 'changed'] as const),
  ]);
  const wires = new Map<string, How>([
    ...found.wires.added.map((wire) => [wire.id, 'added'] as const),
    ...found.wires.removed.map((wire) => [wire.id, 'removed'] as const),
    ...found.wires.rerouted.map((wire) => [wire.id, 'changed'] as const),
  ]);
  const ghosts = [...removed].map((id) => [id, before.nodes[id]] as const);
  return {
    nodes,
    wires,
    merged: { ...after, nodes: { ...after.nodes, ...Object.fromEntries(ghosts) } },
    cut: found.wires.removed.filter((wire) => !removed.has(wire.to.node)),
  };
}
