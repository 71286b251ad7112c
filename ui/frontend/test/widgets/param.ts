/** A param as the catalogue describes it. */
import type { ParamSpec } from '../../src/core/workflow/types';

export function param(given: Partial<ParamSpec>): ParamSpec {
  return {
    name: 'p',
    type: 'string',
    default: '',
    nullable: false,
    many: false,
    fixed: false,
    widget: 'plain',
    help: '',
    ...given,
  };
}

export const PARAMS = {
  text: param({}),
  prompt: param({ widget: 'multiline' }),
  fit: param({ default: 'cover', widget: 'choices', choices: ['cover', 'contain'] }),
  carry: param({
    type: 'bool',
    default: true,
    widget: 'choices',
    choices: [true, 'prompt', false],
    labels: ['all', 'prompt alone', 'nothing'],
  }),
  invert: param({ type: 'bool', default: false }),
  maybe: param({ type: 'bool', default: null, nullable: true }),
  steps: param({ type: 'int', default: null, nullable: true, range: { low: 1, high: 1000, step: null } }),
  strength: param({ type: 'float', default: 0.3, range: { low: 0, high: 1, step: 0.01 } }),
  width: param({ name: 'width', type: 'int', default: 512, range: { low: 1, high: 8192, step: null } }),
  height: param({ name: 'height', type: 'int', default: 512, range: { low: 1, high: 8192, step: null } }),
  seed: param({ type: 'int', default: 0, widget: 'seed', range: { low: 0, high: 2 ** 53 - 1, step: null } }),
  weights: param({ type: 'float', default: [], many: true, range: { low: -10, high: 10, step: 0.05 } }),
  words: param({ default: ['a'], many: true }),
  image: param({ widget: 'file', file: 'image' }),
  mask: param({ widget: 'file', file: 'mask' }),
  tensors: param({ widget: 'file', file: 'tensors' }),
} satisfies Record<string, ParamSpec>;
