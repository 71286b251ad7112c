/** Puts the params that made a result back into the workflow as it is now. */
import { paramOf, type Catalogue } from '../server/catalogue';
import { setParam } from '../workflow/edits';
import { isLinked } from '../workflow/links';
import type { WorkflowJson } from '../workflow/types';
import { same } from '../workflow/values';

export interface Recalled {
  workflow: WorkflowJson;
  /** `node.param` of what has another value now. */
  changed: string[];
  /** What could not be put back, and why in a few words. */
  left: { target: string; why: string }[];
}

/**
 * Only params that are still there and that no wire sets are put back; nodes and wires stay as they are.
 *
 * `params` are those of the result, by `node.param`. A node that they speak of had its defaults in all the rest,
 * so what is written beyond them is taken out again.
 */
export function recall(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  params: Record<string, unknown>,
): Recalled {
  const recalled: Recalled = { workflow, changed: [], left: [] };
  const put = (target: string, value: unknown) => {
    const { id, param } = apart(target);
    const node = workflow.nodes[id];
    const before = node.params?.[param];
    const counts = before === undefined ? paramOf(catalogue.node(node.type), param)?.default : before;
    if (same(value, before) || (value !== undefined && same(value, counts))) return;
    recalled.workflow = setParam(recalled.workflow, id, param, value);
    recalled.changed.push(target);
  };
  for (const [target, value] of Object.entries(params)) {
    const why = whyNot(workflow, catalogue, target);
    if (why) recalled.left.push({ target, why });
    else put(target, value);
  }
  for (const target of beyond(workflow, params)) {
    if (!whyNot(workflow, catalogue, target)) put(target, undefined);
  }
  return recalled;
}

function apart(target: string): { id: string; param: string } {
  const dot = target.indexOf('.');
  return { id: target.slice(0, dot), param: target.slice(dot + 1) };
}

function whyNot(workflow: WorkflowJson, catalogue: Catalogue, target: string): string | null {
  const { id, param } = apart(target);
  if (!Object.hasOwn(workflow.nodes, id)) return 'the node is gone';
  const node = workflow.nodes[id];
  const written = Object.hasOwn(node.params ?? {}, param);
  if (!written && !paramOf(catalogue.node(node.type), param)) return 'the node has no such param';
  return isLinked(node, param) ? 'a wire sets it' : null;
}

/** What is written now in nodes of the result that was not written then. */
function beyond(workflow: WorkflowJson, params: Record<string, unknown>): string[] {
  const ids = new Set(Object.keys(params).map((target) => apart(target).id));
  return [...ids].flatMap((id) => {
    const written = Object.hasOwn(workflow.nodes, id) ? Object.keys(workflow.nodes[id].params ?? {}) : [];
    return written.map((param) => `${id}.${param}`).filter((target) => !Object.hasOwn(params, target));
  });
}
