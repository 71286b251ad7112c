/** A small catalogue, made up for tests: the canvas must work with any. */
import { Catalogue } from '../src/core/server/catalogue';
import type { NodeSpec, ParamSpec, PortSpec } from '../src/core/workflow/types';

const param = (name: string, type: string, value: unknown, more: Partial<ParamSpec> = {}): ParamSpec => ({
  name,
  type,
  default: value,
  nullable: value === null,
  many: false,
  fixed: false,
  widget: 'plain',
  help: `Help of ${name}.`,
  ...more,
});

const port = (name: string, type: string, more: Partial<PortSpec> = {}): PortSpec => ({
  name,
  type,
  required: true,
  many: false,
  handles: false,
  help: `Help of ${name}.`,
  ...more,
});

const node = (
  id: string,
  title: string,
  inputs: PortSpec[],
  params: ParamSpec[],
  outputs: PortSpec[],
): NodeSpec => ({
  id,
  title,
  group: 'Test',
  version: 1,
  help: `Help of ${title}.`,
  effects: outputs.length === 0,
  inputs,
  params,
  outputs,
});

const nodes = [
  node(
    'words',
    'Words',
    [],
    [param('text', 'string', ''), param('lines', 'bool', false)],
    [port('embeds', 'embeds')],
  ),
  node(
    'paint',
    'Paint',
    [port('embeds', 'embeds')],
    [param('seed', 'int', 0), param('steps', 'int', null), param('weights', 'float', [], { many: true })],
    [port('image', 'image'), port('latents', 'latents')],
  ),
  node('dice', 'Dice', [], [param('value', 'int', 0)], [port('value', 'int')]),
  node('show', 'Show', [port('image', 'image')], [], []),
  node('load', 'Load', [], [param('source', 'string', 'tiny', { fixed: true })], [port('unet', 'unet')]),
  node(
    'mix',
    'Mix',
    [port('embeds', 'embeds', { many: true })],
    [param('weights', 'float', [], { many: true })],
    [port('embeds', 'embeds')],
  ),
  node('batch', 'Batch', [port('values', 'any', { many: true })], [], [port('batch', 'any')]),
  node('name', 'Name', [], [param('value', 'string', '')], [port('value', 'string')]),
];

const wire = (title: string, fits: string[], handle = false) => ({
  title,
  colour: '#3b82f6',
  help: '',
  handle,
  fits: [...fits, 'any'],
});

export const catalogue = new Catalogue({
  types: {
    string: wire('Text', ['string']),
    int: wire('Whole number', ['int', 'float']),
    float: wire('Number', ['float']),
    bool: wire('Switch', ['bool']),
    image: wire('Image', ['image']),
    embeds: wire('Embeds', ['embeds']),
    latents: wire('Latents', ['latents']),
    unet: wire('UNet', ['unet'], true),
    any: wire('Any', []),
  },
  nodes: Object.fromEntries(nodes.map((spec) => [spec.id, spec])),
});
