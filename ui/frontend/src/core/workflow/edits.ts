/** Every change that the canvas makes to a workflow: pure functions from one workflow to the next. */
import { inputOf, weightsOf, type Catalogue } from '../server/catalogue';
import { linkEnd, linkText, linksOf, type End, type Wire } from './links';
import type {
  Group,
  InterfaceEntryJson,
  LinkJson,
  Mode,
  NodeJson,
  NodeUi,
  WorkflowJson,
  WorkflowUi,
} from './types';

/** An id that is free: the type's name, with a number where it is taken. */
export function freshId(nodes: Record<string, unknown>, type: string): string {
  const stem =
    type
      .replace(/^.*\//, '')
      .replace(/[^A-Za-z0-9_]/g, '_')
      .replace(/^(?=\d)/, '_') || 'node';
  if (!Object.hasOwn(nodes, stem)) return stem;
  for (let number = 2; ; number++) {
    if (!Object.hasOwn(nodes, `${stem}_${number}`)) return `${stem}_${number}`;
  }
}

export function addNode(
  workflow: WorkflowJson,
  type: string,
  version: number,
  position: [number, number],
): { workflow: WorkflowJson; id: string } {
  const id = freshId(workflow.nodes, type);
  const node: NodeJson = { type, ...(version === 1 ? {} : { version }), ui: { position: rounded(position) } };
  return { workflow: { ...workflow, nodes: { ...workflow.nodes, [id]: node } }, id };
}

export function updateNode(
  workflow: WorkflowJson,
  id: string,
  change: (node: NodeJson) => NodeJson,
): WorkflowJson {
  const node = workflow.nodes[id];
  const changed = node && change(node);
  return !node || changed === node
    ? workflow
    : { ...workflow, nodes: { ...workflow.nodes, [id]: tidy(changed) } };
}

/** The keys of a node in the one order that files have; empty ones are left out. */
function tidy(node: NodeJson): NodeJson {
  const { type, version, mode, inputs, params, ui, ...rest } = node;
  const full = (value: object | undefined) => value !== undefined && Object.keys(value).length > 0;
  return {
    type,
    ...(version === undefined ? {} : { version }),
    ...(mode === undefined || mode === 'active' ? {} : { mode }),
    ...(full(inputs) ? { inputs } : {}),
    ...(full(params) ? { params } : {}),
    ...(full(ui) ? { ui } : {}),
    ...rest,
  };
}

/** Sets a param; undefined takes it out of the file, so that the default counts. */
export function setParam(workflow: WorkflowJson, id: string, name: string, value: unknown): WorkflowJson {
  return updateNode(workflow, id, (node) => {
    if (value === undefined) return { ...node, params: without(node.params, name) };
    return { ...node, params: { ...node.params, [name]: value } };
  });
}

export function setUi(workflow: WorkflowJson, id: string, patch: Partial<NodeUi>): WorkflowJson {
  return updateNode(workflow, id, (node) => {
    const ui: NodeUi = { ...node.ui, ...patch };
    for (const [key, value] of Object.entries(patch)) {
      if (value === undefined || value === false || value === '') delete ui[key];
      if (Array.isArray(value) && !value.length) delete ui[key];
    }
    return { ...node, ui };
  });
}

export function setMode(workflow: WorkflowJson, ids: Iterable<string>, mode: Mode): WorkflowJson {
  return fold(workflow, ids, (before, id) => updateNode(before, id, (node) => ({ ...node, mode })));
}

export function moveNodes(workflow: WorkflowJson, places: Map<string, [number, number]>): WorkflowJson {
  const nodes = { ...workflow.nodes };
  let moved = false;
  for (const [id, position] of places) {
    const node = nodes[id];
    const [x, y] = rounded(position);
    if (!node || (node.ui?.position?.[0] === x && node.ui.position[1] === y)) continue;
    nodes[id] = tidy({ ...node, ui: { ...node.ui, position: [x, y] } });
    moved = true;
  }
  return moved ? { ...workflow, nodes } : workflow;
}

const rounded = ([x, y]: [number, number]): [number, number] => [Math.round(x), Math.round(y)];

/** Removes nodes, the wires that hang on them, and what the interface says of them. */
export function removeNodes(workflow: WorkflowJson, catalogue: Catalogue, ids: Set<string>): WorkflowJson {
  const nodes: Record<string, NodeJson> = {};
  let result: WorkflowJson = { ...workflow, nodes };
  for (const [id, node] of Object.entries(workflow.nodes)) if (!ids.has(id)) nodes[id] = node;
  for (const [id, node] of Object.entries(nodes)) {
    for (const port of Object.keys(node.inputs ?? {})) {
      const gone = linksOf(node, port).flatMap((link, index) =>
        ids.has(linkEnd(link)?.node ?? '') ? [index] : [],
      );
      for (const index of gone.reverse()) result = cut(result, catalogue, { node: id, port, index });
    }
  }
  return withInterface(result, (target) => !ids.has(target.split('.', 1)[0]));
}

/** Links an output to an input; at a list port before `index`, or at the end. */
export function connect(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  from: End,
  to: End & { index?: number | null },
  ui?: Wire['ui'],
): WorkflowJson {
  const text = `${from.node}.${from.port}`;
  const link: LinkJson = ui && Object.keys(ui).length ? { from: text, ui } : text;
  return updateNode(workflow, to.node, (node) => {
    const spec = catalogue.node(node.type);
    if (!inputOf(spec, to.port)?.many) return { ...node, inputs: { ...node.inputs, [to.port]: link } };
    const links = [...linksOf(node, to.port)];
    const index = Math.min(to.index ?? links.length, links.length);
    const changed = withWeights(node, catalogue, to.port, (weights) =>
      weights.toSpliced(index, 0, weights.length ? mean(weights) : 1),
    );
    links.splice(index, 0, link);
    return { ...changed, inputs: { ...node.inputs, [to.port]: links } };
  });
}

/** Takes a wire away. */
export function cut(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  to: End & { index: number | null },
): WorkflowJson {
  return updateNode(workflow, to.node, (node) => {
    if (to.index === null) return { ...node, inputs: without(node.inputs, to.port) };
    const links = linksOf(node, to.port).toSpliced(to.index, 1);
    const changed = withWeights(node, catalogue, to.port, (weights) => weights.toSpliced(to.index!, 1));
    return {
      ...changed,
      inputs: links.length ? { ...node.inputs, [to.port]: links } : without(node.inputs, to.port),
    };
  });
}

/** Takes several wires away; later places of a list first, so that the others stay where they are. */
export function cutAll(workflow: WorkflowJson, catalogue: Catalogue, wires: Wire[]): WorkflowJson {
  const last = [...wires].sort((a, b) => (b.to.index ?? 0) - (a.to.index ?? 0));
  return last.reduce((before, wire) => cut(before, catalogue, wire.to), workflow);
}

/** Puts one end of a wire elsewhere. */
export function replug(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  wire: Wire,
  from: End,
  to: End & { index?: number | null },
): WorkflowJson {
  const same = to.node === wire.to.node && to.port === wire.to.port;
  if (same && wire.to.index !== null) {
    return updateNode(workflow, to.node, (node) => {
      const links = [...linksOf(node, to.port)];
      links[wire.to.index!] = `${from.node}.${from.port}`;
      return { ...node, inputs: { ...node.inputs, [to.port]: links } };
    });
  }
  return connect(cut(workflow, catalogue, wire.to), catalogue, from, to);
}

/** Moves a wire of a list port to another place in its order, its weight with it. */
export function reorder(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  at: End,
  index: number,
  place: number,
): WorkflowJson {
  const move = <T>(items: T[]): T[] => {
    const moved = [...items];
    moved.splice(place, 0, ...moved.splice(index, 1));
    return moved;
  };
  return updateNode(workflow, at.node, (node) => {
    const links = linksOf(node, at.port);
    if (place < 0 || place >= links.length) return node;
    const changed = withWeights(node, catalogue, at.port, move);
    return { ...changed, inputs: { ...node.inputs, [at.port]: move(links) } };
  });
}

/** What the canvas keeps of a wire: its route. */
export function setWireUi(workflow: WorkflowJson, wire: Wire, ui: Wire['ui']): WorkflowJson {
  const keep = (link: LinkJson): LinkJson =>
    Object.keys(ui).length ? { from: linkText(link), ui } : linkText(link);
  return updateNode(workflow, wire.to.node, (node) => {
    const value = node.inputs?.[wire.to.port];
    if (value === undefined) return node;
    const changed = Array.isArray(value)
      ? value.map((link, index) => (index === wire.to.index ? keep(link) : link))
      : keep(value);
    return { ...node, inputs: { ...node.inputs, [wire.to.port]: changed } };
  });
}

/** The weights of a list port's wires that are written; they follow their wires. */
function withWeights(
  node: NodeJson,
  catalogue: Catalogue,
  port: string,
  change: (weights: number[]) => number[],
): NodeJson {
  const param = weightsOf(catalogue.node(node.type), port);
  const weights = param && node.params?.[param.name];
  if (!param || !Array.isArray(weights) || weights.length !== linksOf(node, port).length || !weights.length) {
    return node;
  }
  return { ...node, params: { ...node.params, [param.name]: change(weights as number[]) } };
}

const mean = (values: number[]) =>
  Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 100) / 100;

/** Gives a node another id, wherever it is named. Raises a sentence where that id cannot be. */
export function renameNode(workflow: WorkflowJson, id: string, name: string): WorkflowJson {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new Error(`"${name}" is not an id: expected letters, digits and _, no digit first`);
  }
  if (name === id) return workflow;
  if (Object.hasOwn(workflow.nodes, name)) throw new Error(`there is a node "${name}" already`);
  const follow = (link: LinkJson): LinkJson => {
    const end = linkEnd(link);
    if (end?.node !== id) return link;
    const from = `${name}.${end.port}`;
    return typeof link === 'string' ? from : { ...link, from };
  };
  const nodes: Record<string, NodeJson> = {};
  for (const [key, node] of Object.entries(workflow.nodes)) {
    const inputs = Object.entries(node.inputs ?? {}).map(
      ([port, links]) => [port, Array.isArray(links) ? links.map(follow) : follow(links)] as const,
    );
    nodes[key === id ? name : key] = inputs.length ? { ...node, inputs: Object.fromEntries(inputs) } : node;
  }
  const target = (text: string) => (text.split('.', 1)[0] === id ? name + text.slice(id.length) : text);
  return withTargets({ ...workflow, nodes }, (targets) => targets.map(target));
}

/** Keeps those targets of the interface that `keep` says; entries without one go. */
export function withInterface(workflow: WorkflowJson, keep: (target: string) => boolean): WorkflowJson {
  return withTargets(workflow, (targets) => targets.filter(keep));
}

function withTargets(workflow: WorkflowJson, change: (targets: string[]) => string[]): WorkflowJson {
  const { inputs, outputs } = workflow.interface ?? {};
  if (!inputs && !outputs) return workflow;
  const side = (entries: Record<string, string | InterfaceEntryJson> | undefined) =>
    entries &&
    Object.fromEntries(
      Object.entries(entries).flatMap(([name, entry]) => {
        const targets = change(typeof entry === 'string' ? [entry] : entry.targets);
        if (!targets.length) return [];
        return [[name, typeof entry === 'string' ? targets[0] : { ...entry, targets }] as const];
      }),
    );
  const changed = {
    ...(inputs ? { inputs: side(inputs) } : {}),
    ...(outputs ? { outputs: side(outputs) } : {}),
  };
  return { ...workflow, interface: changed };
}

// The workflow as a whole

export function setTopUi(workflow: WorkflowJson, patch: Partial<WorkflowUi>): WorkflowJson {
  const ui: WorkflowUi = { ...workflow.ui, ...patch };
  for (const [key, value] of Object.entries(ui)) {
    if (value === undefined || (Array.isArray(value) && !value.length)) delete ui[key];
  }
  const { ui: _, assets, ...rest } = workflow;
  return { ...rest, ...(Object.keys(ui).length ? { ui } : {}), ...(assets ? { assets } : {}) };
}

export function setGroups(workflow: WorkflowJson, groups: Group[]): WorkflowJson {
  return setTopUi(workflow, { groups });
}

export function emptyWorkflow(): WorkflowJson {
  return { format: 'kandinsky-workflow', version: 1, name: 'Untitled', nodes: {} };
}

function without<T>(record: Record<string, T> | undefined, key: string): Record<string, T> | undefined {
  if (!record || !Object.hasOwn(record, key)) return record;
  const { [key]: _, ...rest } = record;
  return rest;
}

function fold(
  workflow: WorkflowJson,
  ids: Iterable<string>,
  step: (workflow: WorkflowJson, id: string) => WorkflowJson,
): WorkflowJson {
  let result = workflow;
  for (const id of ids) result = step(result, id);
  return result;
}
