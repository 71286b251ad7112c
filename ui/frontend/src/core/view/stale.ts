/** What became stale by an edit, told at once, before the server has planned again. */
import { downstream } from '../workflow/links';
import type { NodeJson, WorkflowJson } from '../workflow/types';

/** Nodes that differ from `planned` in what counts (not in how they look), and all that depends on them. */
export function staleSince(planned: WorkflowJson, now: WorkflowJson): Set<string> {
  const stale = new Set<string>();
  if (planned.nodes === now.nodes) return stale;
  for (const [id, node] of Object.entries(now.nodes)) {
    const before = planned.nodes[id];
    if (before !== node && (!before || !sameWork(before, node))) stale.add(id);
  }
  if (!stale.size) return stale;
  const next = downstream(now);
  const stack = [...stale];
  while (stack.length) {
    for (const id of next.get(stack.pop()!) ?? []) {
      if (stale.has(id)) continue;
      stale.add(id);
      stack.push(id);
    }
  }
  return stale;
}

function sameWork(before: NodeJson, now: NodeJson): boolean {
  return (
    before.type === now.type &&
    (before.mode ?? 'active') === (now.mode ?? 'active') &&
    same(before.params, now.params) &&
    same(before.inputs, now.inputs)
  );
}

function same(before: unknown, now: unknown): boolean {
  return before === now || JSON.stringify(before ?? {}) === JSON.stringify(now ?? {});
}
