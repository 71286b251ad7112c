/**
 * Files come from anywhere. What of a workflow has a shape that nothing can be made of is left out when it is opened,
 * and told; whether the rest makes sense, the server says.
 */
import type { Group, InterfaceEntryJson, LinkJson, NodeJson, NodeUi, WorkflowJson } from './types';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isNumbers = (value: unknown, count: number): boolean =>
  Array.isArray(value) && value.length === count && value.every(Number.isFinite);
const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** A workflow that can be drawn, and what had to be left out of it ("node prior: inputs.prior"). */
export function sane(workflow: WorkflowJson): { workflow: WorkflowJson; dropped: string[] } {
  const dropped: string[] = [];
  const nodes: Record<string, NodeJson> = {};
  for (const [id, node] of Object.entries(workflow.nodes)) {
    nodes[id] = saneNode(node, (what) => dropped.push(`node ${id}: ${what}`));
  }
  const drop = (what: string) => dropped.push(what);
  const result: WorkflowJson = { ...workflow, nodes };
  keep(result, 'name', typeof result.name === 'string', drop);
  keep(result, 'description', typeof result.description === 'string', drop);
  keep(result, 'assets', isObject(result.assets), drop);
  if (result.interface !== undefined) {
    if (keep(result, 'interface', isObject(result.interface), drop)) {
      result.interface = saneInterface(result.interface!, drop);
    }
  }
  if (result.ui !== undefined && keep(result, 'ui', isObject(result.ui), drop)) {
    result.ui = saneTop(result.ui as Json, drop) as WorkflowJson['ui'];
  }
  return { workflow: dropped.length ? result : workflow, dropped };
}

/** Takes a key out unless it is fine or absent; whether it is there afterwards. */
function keep<T extends object>(
  object: T,
  key: keyof T & string,
  fine: boolean,
  drop: (what: string) => void,
): boolean {
  if (!Object.hasOwn(object, key)) return false;
  if (fine) return true;
  delete object[key];
  drop(key);
  return false;
}

function saneNode(node: NodeJson, drop: (what: string) => void): NodeJson {
  const result = { ...node };
  keep(result, 'params', isObject(result.params), drop);
  keep(result, 'mode', ['active', 'muted', 'bypassed'].includes(result.mode ?? ''), drop);
  keep(result, 'version', Number.isInteger(result.version), drop);
  if (keep(result, 'inputs', isObject(result.inputs), drop)) {
    const inputs: NonNullable<NodeJson['inputs']> = {};
    for (const [port, links] of Object.entries(result.inputs!)) {
      const list = Array.isArray(links) ? links : [links];
      const fine = list.filter(isLink);
      if (fine.length < list.length) drop(`inputs.${port}`);
      if (Array.isArray(links)) inputs[port] = fine;
      else if (fine.length) inputs[port] = links;
    }
    result.inputs = inputs;
  }
  if (keep(result, 'ui', isObject(result.ui), drop)) result.ui = saneUi(result.ui!, drop);
  return result;
}

function isLink(link: unknown): link is LinkJson {
  if (typeof link === 'string') return true;
  if (!isObject(link) || typeof link.from !== 'string') return false;
  if (link.ui === undefined) return true;
  const route = isObject(link.ui) ? link.ui.route : 0;
  return route === undefined || (Array.isArray(route) && route.every((point) => isNumbers(point, 2)));
}

function saneUi(ui: NodeUi, drop: (what: string) => void): NodeUi {
  const result = { ...ui };
  const say = (what: string) => drop(`ui.${what}`);
  keep(result, 'position', isNumbers(result.position, 2), say);
  keep(result, 'size', isNumbers(result.size, 2), say);
  keep(result, 'title', typeof result.title === 'string', say);
  keep(result, 'colour', typeof result.colour === 'string', say);
  keep(result, 'ports', isTexts(result.ports), say);
  keep(result, 'locked', isTexts(result.locked), say);
  return result;
}

function saneInterface(
  data: NonNullable<WorkflowJson['interface']>,
  drop: (what: string) => void,
): WorkflowJson['interface'] {
  const result = { ...data };
  for (const side of ['inputs', 'outputs'] as const) {
    if (!keep(result, side, isObject(result[side]), (what) => drop(`interface.${what}`))) continue;
    const entries = Object.entries(result[side]!).filter(([name, entry]) => {
      const fine = isEntry(entry);
      if (!fine) drop(`interface.${side}.${name}`);
      return fine;
    });
    result[side] = Object.fromEntries(entries);
  }
  return result;
}

function isEntry(entry: unknown): entry is string | InterfaceEntryJson {
  if (typeof entry === 'string') return true;
  return isObject(entry) && isTexts(entry.targets) && entry.targets.length > 0;
}

function saneTop(ui: Json, drop: (what: string) => void): Json {
  const result = { ...ui };
  if (result.id !== undefined)
    keep(result, 'id', typeof result.id === 'string', (what) => drop(`ui.${what}`));
  if (result.groups !== undefined) {
    const groups = Array.isArray(result.groups) ? result.groups : [];
    const fine = groups.filter(isGroup);
    if (fine.length < groups.length || !Array.isArray(result.groups)) drop('ui.groups');
    result.groups = fine;
  }
  return result;
}

function isGroup(group: unknown): group is Group {
  if (!isObject(group) || !isNumbers(group.box, 4)) return false;
  return ['id', 'title', 'colour'].every((key) => typeof group[key] === 'string');
}
