/**
 * How large a node is and where its ports lie, before anything is drawn: the canvas culls what is off screen and
 * draws wires to nodes that were never mounted. `Node.svelte` draws rows of just these heights.
 */
import { hasPreview, isAdvanced, weightsOf, type Catalogue } from '../server/catalogue';
import { isLinked, linksOf } from '../workflow/links';
import type { NodeJson, NodeSpec, ParamSpec, PortSpec, WorkflowJson } from '../workflow/types';

export const WIDTH = 260;
export const NOTE_SIZE: [number, number] = [240, 140];
export const HEADER = 34;
export const PORT_ROW = 24;
export const LIST_ROW = 30;
export const PARAM_ROW = 30;
export const PREVIEW = 156;
export const PADDING = 8;
export const SNAP = 20;

const TEXT_LINE = 18;
const TEXT_FRAME = 34;
const PICTURE_ROW = 148;
const LONGEST_TEXT = 12;
const LETTERS = 36;

export type Row =
  | { kind: 'ports'; height: number; input?: PortSpec; output?: PortSpec }
  /** One wire of a list port; `index` beyond the last wire is the place for the next one. */
  | { kind: 'slot'; height: number; input: PortSpec; index: number; weights?: ParamSpec; output?: PortSpec }
  | { kind: 'param'; height: number; param: ParamSpec; linked: boolean }
  /** Width and height on one row. */
  | { kind: 'size'; height: number; width: ParamSpec; tall: ParamSpec }
  | { kind: 'more'; height: number; hidden: number; open: boolean }
  | { kind: 'preview'; height: number };

/** What a node shows, from top to bottom, below its header. */
export function rowsOf(spec: NodeSpec, node: NodeJson): Row[] {
  const rows: Row[] = [];
  const outputs = [...spec.outputs];
  for (const input of spec.inputs) {
    if (!input.many) {
      rows.push({ kind: 'ports', height: PORT_ROW, input, output: outputs.shift() });
      continue;
    }
    const weights = weightsOf(spec, input.name);
    for (let index = 0; index <= linksOf(node, input.name).length; index++) {
      rows.push({ kind: 'slot', height: LIST_ROW, input, index, weights, output: outputs.shift() });
    }
  }
  for (const output of outputs) rows.push({ kind: 'ports', height: PORT_ROW, output });
  rows.push(...paramRows(spec, node));
  if (hasPreview(spec)) rows.push({ kind: 'preview', height: PREVIEW });
  return rows;
}

function paramRows(spec: NodeSpec, node: NodeJson): Row[] {
  const paired = spec.inputs.map((input) => weightsOf(spec, input.name));
  const params = spec.params.filter((param) => !paired.includes(param));
  const open = node.ui?.more === true;
  const hidden = params.filter((param) => isAdvanced(spec, param) && !isWritten(node, param));
  const shown = open ? params : params.filter((param) => !hidden.includes(param));
  const pair = sizePair(shown, node);
  const rows = shown.flatMap((param): Row[] => {
    if (pair && param === pair.tall) return [];
    if (pair && param === pair.width) return [{ kind: 'size', height: PARAM_ROW, ...pair }];
    return [paramRow(param, node)];
  });
  if (hidden.length) rows.push({ kind: 'more', height: PORT_ROW, hidden: hidden.length, open });
  return rows;
}

function isWritten(node: NodeJson, param: ParamSpec): boolean {
  const value = node.params?.[param.name];
  return (value !== undefined && value !== param.default) || isLinked(node, param.name);
}

function sizePair(params: ParamSpec[], node: NodeJson): { width: ParamSpec; tall: ParamSpec } | null {
  const find = (name: string) =>
    params.find((param) => param.name === name && param.type === 'int' && !isLinked(node, name));
  const [width, tall] = [find('width'), find('height')];
  return width && tall ? { width, tall } : null;
}

function paramRow(param: ParamSpec, node: NodeJson): Row {
  const linked = isLinked(node, param.name);
  return { kind: 'param', param, linked, height: linked ? PORT_ROW : widgetHeight(param, node) };
}

function widgetHeight(param: ParamSpec, node: NodeJson): number {
  const value = node.params?.[param.name] ?? param.default;
  if (param.file === 'image' || param.file === 'mask') return PICTURE_ROW;
  if (param.widget === 'multiline') {
    const lines = String(value ?? '').split('\n');
    const count = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / LETTERS)), 0);
    return TEXT_FRAME + TEXT_LINE * Math.min(LONGEST_TEXT, Math.max(2, count));
  }
  if (param.many) return PARAM_ROW * (1 + (Array.isArray(value) ? value.length : 0));
  return PARAM_ROW;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Place {
  id: string;
  type: 'source' | 'target';
  x: number;
  y: number;
}

export interface Measure {
  width: number;
  height: number;
  places: Place[];
}

const measured = new WeakMap<NodeJson, Measure>();

/** The size of a node and where its handles are; remembered as long as the node is the same. */
export function measure(node: NodeJson, catalogue: Catalogue): Measure {
  let found = measured.get(node);
  if (!found) measured.set(node, (found = calculate(node, catalogue)));
  return found;
}

function calculate(node: NodeJson, catalogue: Catalogue): Measure {
  const spec = catalogue.node(node.type);
  const size = node.ui?.size;
  if (!spec) return unknownNode(node);
  if (isNote(spec))
    return { width: size?.[0] ?? NOTE_SIZE[0], height: size?.[1] ?? NOTE_SIZE[1], places: [] };
  const width = size?.[0] ?? WIDTH;
  const rows = rowsOf(spec, node);
  const places: Place[] = [];
  let y = HEADER;
  for (const row of rows) {
    for (const [type, id] of handlesOf(row)) {
      places.push({ id, type, x: type === 'source' ? width : 0, y: y + Math.min(row.height, PARAM_ROW) / 2 });
    }
    y += row.height;
  }
  if (node.ui?.collapsed) {
    return { width, height: HEADER, places: places.map((place) => ({ ...place, y: HEADER / 2 })) };
  }
  return { width, height: y + PADDING, places };
}

/** The handles of a row: the side of the node, and the handle's name. */
export function handlesOf(row: Row): ['source' | 'target', string][] {
  const output: ['source', string][] =
    (row.kind === 'ports' || row.kind === 'slot') && row.output ? [['source', row.output.name]] : [];
  if (row.kind === 'ports') return row.input ? [['target', row.input.name], ...output] : output;
  if (row.kind === 'slot') return [['target', `${row.input.name}#${row.index}`], ...output];
  if (row.kind === 'param') return row.param.many ? [] : [['target', row.param.name]];
  return [];
}

/** A node of a type that is not installed: its ports are those that wires speak of. */
function unknownNode(node: NodeJson): Measure {
  const inputs = Object.entries(node.inputs ?? {}).flatMap(([port, links]) =>
    Array.isArray(links) ? links.map((_, index) => `${port}#${index}`) : [port],
  );
  const places = inputs.map((id, index): Place => ({
    id,
    type: 'target',
    x: 0,
    y: HEADER + PORT_ROW * (index + 0.5),
  }));
  const height = HEADER + PORT_ROW * Math.max(2, inputs.length) + PORT_ROW * 2 + PADDING;
  return { width: node.ui?.size?.[0] ?? WIDTH, height, places };
}

/** A node that is only there to be read. */
export function isNote(spec: NodeSpec): boolean {
  return !spec.inputs.length && !spec.outputs.length && spec.params.every((param) => param.type === 'string');
}

export function positionOf(node: NodeJson): [number, number] {
  const position = node.ui?.position;
  const fine = Array.isArray(position) && position.length === 2 && position.every(Number.isFinite);
  return fine ? position : [0, 0];
}

export function boxOf(node: NodeJson, catalogue: Catalogue): Box {
  const [x, y] = positionOf(node);
  const { width, height } = measure(node, catalogue);
  return { x, y, width, height };
}

/** The smallest box around boxes; null around none. */
export function around(boxes: Iterable<Box>): Box | null {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const box of boxes) {
    left = Math.min(left, box.x);
    top = Math.min(top, box.y);
    right = Math.max(right, box.x + box.width);
    bottom = Math.max(bottom, box.y + box.height);
  }
  return left === Infinity ? null : { x: left, y: top, width: right - left, height: bottom - top };
}

export function boundsOf(workflow: WorkflowJson, catalogue: Catalogue, ids?: Iterable<string>): Box | null {
  const nodes = ids ? [...ids].flatMap((id) => workflow.nodes[id] ?? []) : Object.values(workflow.nodes);
  return around(nodes.map((node) => boxOf(node, catalogue)));
}
