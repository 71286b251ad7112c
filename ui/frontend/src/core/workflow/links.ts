/** The wires of a workflow, read from the links of its nodes. */
import type { LinkJson, LinkUi, NodeJson, WorkflowJson } from './types';

export interface End {
  node: string;
  port: string;
}

export interface Wire {
  /** The same for the same wire, whatever else changes. */
  id: string;
  from: End;
  /** `index`: which of a list port's wires; null for a port that takes one. */
  to: End & { index: number | null };
  ui: LinkUi;
}

export function linkText(link: LinkJson): string {
  return typeof link === 'string' ? link : link.from;
}

/** Where a link comes from; null where it cannot be read (the server says so in words). */
export function linkEnd(link: LinkJson): End | null {
  const text = linkText(link);
  const dot = typeof text === 'string' ? text.indexOf('.') : -1;
  return dot > 0 ? { node: text.slice(0, dot), port: text.slice(dot + 1) } : null;
}

export function linksOf(node: NodeJson, port: string): LinkJson[] {
  const links = node.inputs?.[port];
  return links === undefined ? [] : Array.isArray(links) ? links : [links];
}

export function isLinked(node: NodeJson, port: string): boolean {
  return linksOf(node, port).length > 0;
}

const known = new WeakMap<object, Map<string, Wire[]>>();

/** The wires that arrive at a node. The same objects as long as its inputs are the same. */
export function wiresInto(id: string, node: NodeJson): Wire[] {
  if (!node.inputs) return [];
  let byId = known.get(node.inputs);
  if (!byId) known.set(node.inputs, (byId = new Map()));
  let wires = byId.get(id);
  if (!wires) byId.set(id, (wires = read(id, node)));
  return wires;
}

function read(id: string, node: NodeJson): Wire[] {
  const wires: Wire[] = [];
  for (const [port, value] of Object.entries(node.inputs ?? {})) {
    const listed = Array.isArray(value);
    (listed ? value : [value]).forEach((link, index) => {
      const from = linkEnd(link);
      if (!from) return;
      const to = { node: id, port, index: listed ? index : null };
      wires.push({ id: wireId(from, to), from, to, ui: (typeof link === 'object' && link.ui) || {} });
    });
  }
  return wires;
}

export function wireId(from: End, to: Wire['to']): string {
  return `${from.node}.${from.port}>${handleOf(to)}@${to.node}`;
}

/** The name of an input's handle on the canvas: each wire of a list port has one of its own. */
export function handleOf(to: { port: string; index: number | null }): string {
  return to.index === null ? to.port : `${to.port}#${to.index}`;
}

/** The port and place that a handle stands for. */
export function readHandle(handle: string): { port: string; index: number | null } {
  const [port, index] = handle.split('#');
  return { port, index: index === undefined ? null : Number(index) };
}

export function allWires(workflow: WorkflowJson): Wire[] {
  return Object.entries(workflow.nodes).flatMap(([id, node]) => wiresInto(id, node));
}

/** Every node that `start` depends on (upstream) or that depends on it (downstream), without itself. */
export function reachable(workflow: WorkflowJson, start: string, side: 'up' | 'down'): Set<string> {
  const next = side === 'up' ? upstream(workflow) : downstream(workflow);
  const found = new Set<string>();
  const stack = [...(next.get(start) ?? [])];
  while (stack.length) {
    const id = stack.pop()!;
    if (found.has(id)) continue;
    found.add(id);
    stack.push(...(next.get(id) ?? []));
  }
  return found;
}

function upstream(workflow: WorkflowJson): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const [id, node] of Object.entries(workflow.nodes)) {
    map.set(
      id,
      wiresInto(id, node).map((wire) => wire.from.node),
    );
  }
  return map;
}

export function downstream(workflow: WorkflowJson): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const [id, node] of Object.entries(workflow.nodes)) {
    for (const wire of wiresInto(id, node)) {
      const there = map.get(wire.from.node);
      if (there) there.push(id);
      else map.set(wire.from.node, [id]);
    }
  }
  return map;
}
