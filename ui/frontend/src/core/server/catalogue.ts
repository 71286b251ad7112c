/** The node types and wire types that the server knows; the canvas knows none of its own. */
import type { CatalogueSpec, NodeSpec, ParamSpec, PortSpec, WireTypeSpec } from '../workflow/types';

export const ANY = 'any';
const GREY = '#8a8f98';

/** The order of the palette; groups of packs come after these. */
const GROUPS = ['Load', 'Kandinsky', 'Picture', 'Output', 'Values', 'Batch'];

/** Wire types that can be looked at. */
const PICTURES = new Set(['image', 'mask', 'depth_hint']);

export interface NodeGroup {
  title: string;
  nodes: NodeSpec[];
}

export class Catalogue {
  readonly groups: NodeGroup[];

  constructor(readonly spec: CatalogueSpec) {
    const groups = new Map<string, NodeSpec[]>();
    for (const node of Object.values(spec.nodes)) {
      groups.set(node.group, [...(groups.get(node.group) ?? []), node]);
    }
    const rank = (title: string) => (GROUPS.indexOf(title) + GROUPS.length + 1) % (GROUPS.length + 1);
    this.groups = [...groups]
      .map(([title, nodes]) => ({ title, nodes }))
      .sort((a, b) => rank(a.title) - rank(b.title));
  }

  /** The node type, or undefined for one that is not installed here. */
  node(type: string): NodeSpec | undefined {
    return Object.hasOwn(this.spec.nodes, type) ? this.spec.nodes[type] : undefined;
  }

  wire(type: string): WireTypeSpec | undefined {
    return Object.hasOwn(this.spec.types, type) ? this.spec.types[type] : undefined;
  }

  colour(type: string): string {
    return this.wire(type)?.colour ?? GREY;
  }

  /** "Image embeds" for image_embeds. */
  title(type: string): string {
    return this.wire(type)?.title ?? type;
  }

  /** Whether an output of type `from` may be linked to an input of type `to`. */
  fits(from: string, to: string): boolean {
    return this.wire(from)?.fits.includes(to) ?? false;
  }
}

export function inputOf(spec: NodeSpec | undefined, name: string): PortSpec | undefined {
  return spec?.inputs.find((port) => port.name === name);
}

export function outputOf(spec: NodeSpec | undefined, name: string): PortSpec | undefined {
  return spec?.outputs.find((port) => port.name === name);
}

export function paramOf(spec: NodeSpec | undefined, name: string): ParamSpec | undefined {
  return spec?.params.find((param) => param.name === name);
}

/** The list of numbers that goes with a list port, one for each of its wires (interpolate's weights). */
export function weightsOf(spec: NodeSpec | undefined, port: string): ParamSpec | undefined {
  const lists = spec?.inputs.filter((input) => input.many) ?? [];
  const weights = spec?.params.filter((param) => param.many && param.type === 'float') ?? [];
  return lists.length === 1 && lists[0].name === port && weights.length === 1 ? weights[0] : undefined;
}

/** Params that most people leave alone: they stand behind "more" until somebody writes them. */
export function isAdvanced(spec: NodeSpec, param: ParamSpec): boolean {
  return param.fixed && !param.file && param !== spec.params[0];
}

/** Whether a node of this type has something to look at, beside what its own file widget shows. */
export function hasPreview(spec: NodeSpec): boolean {
  if (spec.params.some((param) => param.file === 'image')) return false;
  const seen = spec.effects ? [...spec.inputs, ...spec.outputs] : spec.outputs;
  if (seen.some((port) => PICTURES.has(port.type))) return true;
  const paints = spec.outputs.some((port) => port.type === 'latents');
  return paints && spec.params.some((param) => param.name === 'steps');
}
