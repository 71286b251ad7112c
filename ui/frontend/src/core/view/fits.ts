/** Which output fits which input, and if not, why not in a few words. */
import { ANY, inputOf, outputOf, paramOf, type Catalogue } from '../server/catalogue';
import { linkEnd, linksOf, reachable, type End } from '../workflow/links';
import type { NodeSpec, WorkflowJson } from '../workflow/types';

export interface Taker {
  name: string;
  type: string;
  many: boolean;
  handles: boolean;
  /** Takes constants only. */
  fixed: boolean;
  param: boolean;
}

/** The input port or param of a node type that a wire may arrive at. */
export function takerOf(spec: NodeSpec | undefined, name: string): Taker | undefined {
  const port = inputOf(spec, name);
  if (port) return { ...port, fixed: false, param: false };
  const param = paramOf(spec, name);
  return param && !param.many
    ? { name, type: param.type, many: false, handles: false, fixed: param.fixed, param: true }
    : undefined;
}

/** A node whose value is known before anything runs: what a fixed param may be linked to. */
export function isConstant(spec: NodeSpec | undefined): boolean {
  const [param] = spec?.params ?? [];
  const [output] = spec?.outputs ?? [];
  const simple = spec?.inputs.length === 0 && spec.params.length === 1 && spec.outputs.length === 1;
  return simple && param.name === 'value' && output.name === 'value' && param.type === output.type;
}

/**
 * The type that really comes out of an output: one of type "any" brings what its node's own "any" input gets.
 * `any` where nobody can say yet.
 */
export function outputType(workflow: WorkflowJson, catalogue: Catalogue, from: End): string {
  const seen = new Set<string>();
  let end: End = from;
  for (;;) {
    const node = workflow.nodes[end.node];
    const spec = node && catalogue.node(node.type);
    const type = outputOf(spec, end.port)?.type ?? ANY;
    if (type !== ANY || !spec || seen.has(end.node)) return type;
    seen.add(end.node);
    const input = spec.inputs.find((port) => port.type === ANY && linksOf(node, port.name).length);
    const link = input && linkEnd(linksOf(node, input.name)[0]);
    if (!link) return ANY;
    end = link;
  }
}

/** Why an output cannot be linked to an input; null if it can. The words are shown at the pointer. */
export function whyNot(workflow: WorkflowJson, catalogue: Catalogue, from: End, to: End): string | null {
  const source = catalogue.node(workflow.nodes[from.node]?.type ?? '');
  const target = catalogue.node(workflow.nodes[to.node]?.type ?? '');
  if (!source || !target) return 'this node type is not installed here';
  if (!outputOf(source, from.port)) return `${source.title} has no output ${from.port}`;
  const taker = takerOf(target, to.port);
  if (!taker) {
    return paramOf(target, to.port) ? 'a list of values takes no wire' : `${target.title} has no ${to.port}`;
  }
  if (from.node === to.node) return 'a node cannot feed itself';
  const type = outputType(workflow, catalogue, from);
  const reason = whyNotType(catalogue, type, source, taker, otherType(workflow, catalogue, to));
  if (reason) return reason;
  if (reachable(workflow, to.node, 'down').has(from.node)) {
    return `a circle: ${nameOf(workflow, catalogue, from.node)} already depends on ${nameOf(workflow, catalogue, to.node)}`;
  }
  return null;
}

/** The same for a node type that is not on the canvas yet. */
export function whyNotType(
  catalogue: Catalogue,
  type: string,
  source: NodeSpec | undefined,
  taker: Taker,
  settled: string | null = null,
): string | null {
  if (taker.fixed && source && !isConstant(source)) return `${taker.name} takes only a value node`;
  const wanted = taker.type === ANY ? (settled ?? ANY) : taker.type;
  if (type === ANY || catalogue.fits(type, wanted)) {
    const handle = catalogue.wire(type)?.handle ?? false;
    return handle && taker.type === ANY && !taker.handles
      ? `${catalogue.title(type)} is a network, not a value`
      : null;
  }
  return `${catalogue.title(type)} does not fit ${catalogue.title(wanted)}`;
}

/** The type that a node's "any" ports have by another wire; null while they are open. */
function otherType(workflow: WorkflowJson, catalogue: Catalogue, to: End): string | null {
  const node = workflow.nodes[to.node];
  const spec = catalogue.node(node.type);
  for (const port of spec?.inputs ?? []) {
    if (port.type !== ANY) continue;
    const links = linksOf(node, port.name);
    // The wire that is about to be replaced does not count.
    if (!links.length || (port.name === to.port && !port.many)) continue;
    const end = linkEnd(links[0]);
    const type = end ? outputType(workflow, catalogue, end) : ANY;
    if (type !== ANY) return type;
  }
  return null;
}

function nameOf(workflow: WorkflowJson, catalogue: Catalogue, id: string): string {
  const node = workflow.nodes[id];
  return node?.ui?.title || catalogue.node(node?.type ?? '')?.title || id;
}

/** The first input of a node that an output fits: a free port, then a port that is taken, then a param. */
export function firstTaker(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  from: End,
  node: string,
): End | null {
  const spec = catalogue.node(workflow.nodes[node]?.type ?? '');
  if (!spec) return null;
  const free = spec.inputs.filter((port) => port.many || !linksOf(workflow.nodes[node], port.name).length);
  const shown = new Set(workflow.nodes[node].ui?.ports ?? []);
  const params = [...spec.params].sort((a, b) => Number(shown.has(b.name)) - Number(shown.has(a.name)));
  for (const { name } of [...free, ...spec.inputs, ...params]) {
    if (whyNot(workflow, catalogue, from, { node, port: name }) === null) return { node, port: name };
  }
  return null;
}

/** The first output of a node that fits an input. */
export function firstGiver(workflow: WorkflowJson, catalogue: Catalogue, to: End, node: string): End | null {
  const spec = catalogue.node(workflow.nodes[node]?.type ?? '');
  for (const { name } of spec?.outputs ?? []) {
    if (whyNot(workflow, catalogue, { node, port: name }, to) === null) return { node, port: name };
  }
  return null;
}

export interface Candidate {
  spec: NodeSpec;
  /** The port of the new node that the loose wire would be linked to. */
  port: string;
}

/** The node types, with their ports, that fit the loose end of a wire. */
export function candidates(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  loose: { end: End; side: 'output' | 'input' },
): Candidate[] {
  const specs = Object.values(catalogue.spec.nodes);
  const here = catalogue.node(workflow.nodes[loose.end.node]?.type ?? '');
  if (loose.side === 'output') {
    const type = outputType(workflow, catalogue, loose.end);
    const taken = (spec: NodeSpec, name: string) =>
      whyNotType(catalogue, type, here, takerOf(spec, name)!) === null;
    const found = specs.flatMap((spec) => {
      const ports = spec.inputs.filter((port) => taken(spec, port.name));
      const params = spec.params.filter((param) => !param.many && taken(spec, param.name));
      return [...ports, ...params].map(({ name }) => ({ spec, port: name }));
    });
    // What is made for that type comes before what takes any.
    const takesAny = ({ spec, port }: Candidate) => takerOf(spec, port)?.type === ANY;
    return found.sort((a, b) => Number(takesAny(a)) - Number(takesAny(b)));
  }
  const taker = takerOf(here, loose.end.port);
  if (!taker) return [];
  const settled = otherType(workflow, catalogue, loose.end);
  return specs.flatMap((spec) =>
    spec.outputs
      .filter((port) => whyNotType(catalogue, port.type, spec, taker, settled) === null)
      .map(({ name }) => ({ spec, port: name })),
  );
}
