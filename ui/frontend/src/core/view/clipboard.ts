/** Copying nodes as text, so that they can be pasted here, into another tab, or into a chat. */
import type { Catalogue } from '../server/catalogue';
import { freshId, removeNodes } from '../workflow/edits';
import { around, boxOf, positionOf } from '../layout/geometry';
import { linkEnd } from '../workflow/links';
import type { LinkJson, NodeJson, WorkflowJson } from '../workflow/types';

/** A workflow of just these nodes, as text: wires among them are kept, wires to others are not. */
export function copy(workflow: WorkflowJson, catalogue: Catalogue, ids: Set<string>): string {
  const others = new Set(Object.keys(workflow.nodes).filter((id) => !ids.has(id)));
  const part = removeNodes(workflow, catalogue, others);
  return JSON.stringify({ format: part.format, version: part.version, nodes: part.nodes }, null, 2);
}

/** The workflow in a pasted text; null if it is none. */
export function readPaste(text: string): WorkflowJson | null {
  if (!text.includes('kandinsky-workflow')) return null;
  try {
    const data: unknown = JSON.parse(text);
    return isWorkflow(data) ? data : null;
  } catch {
    return null;
  }
}

/** Whether parsed JSON has the shape of a workflow; what is wrong inside it, the server says. */
export function isWorkflow(data: unknown): data is WorkflowJson {
  if (typeof data !== 'object' || data === null) return false;
  const { format, nodes } = data as Partial<WorkflowJson>;
  if (format !== 'kandinsky-workflow' || typeof nodes !== 'object' || nodes === null) return false;
  return Object.values(nodes).every((node) => typeof node === 'object' && typeof node?.type === 'string');
}

/**
 * Adds the nodes of a part under free ids.
 *
 * With `at`, the middle of the part comes to lie there; without, it is moved by `shift`.
 */
export function paste(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  part: WorkflowJson,
  where: { at: [number, number] } | { shift: [number, number] },
): { workflow: WorkflowJson; ids: string[] } {
  const nodes: Record<string, NodeJson> = { ...workflow.nodes };
  const names = new Map<string, string>();
  for (const [id, node] of Object.entries(part.nodes)) {
    const name = freshId(nodes, Object.hasOwn(nodes, id) ? id.replace(/_\d+$/, '') : id);
    names.set(id, name);
    nodes[name] = node;
  }
  const [dx, dy] = 'shift' in where ? where.shift : offset(part, catalogue, where.at);
  for (const [id, name] of names) {
    const node = part.nodes[id];
    const [x, y] = positionOf(node);
    const inputs = relink(node.inputs, names);
    nodes[name] = {
      ...node,
      ...(node.inputs ? { inputs } : {}),
      ui: { ...node.ui, position: [Math.round(x + dx), Math.round(y + dy)] },
    };
  }
  return { workflow: { ...workflow, nodes }, ids: [...names.values()] };
}

function offset(part: WorkflowJson, catalogue: Catalogue, at: [number, number]): [number, number] {
  const box = around(Object.values(part.nodes).map((node) => boxOf(node, catalogue)));
  return box ? [at[0] - box.x - box.width / 2, at[1] - box.y - box.height / 2] : [0, 0];
}

function relink(inputs: NodeJson['inputs'], names: Map<string, string>): NodeJson['inputs'] {
  const follow = (link: LinkJson): LinkJson[] => {
    const end = linkEnd(link);
    const name = end && names.get(end.node);
    if (!name) return [];
    const from = `${name}.${end.port}`;
    return [typeof link === 'string' ? from : { ...link, from }];
  };
  const relinked = Object.entries(inputs ?? {}).flatMap(([port, links]) => {
    const followed = (Array.isArray(links) ? links : [links]).flatMap(follow);
    if (!followed.length) return [];
    return [[port, Array.isArray(links) ? followed : followed[0]] as const];
  });
  return Object.fromEntries(relinked);
}
