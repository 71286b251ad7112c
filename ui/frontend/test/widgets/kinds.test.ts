import { expect, it } from 'vitest';
import { complaint, itemOf, newItem, widgetOf } from '../../src/canvas/widgets/kinds';
import { param, PARAMS } from './param';

it('gives each param the widget that its annotations ask for', () => {
  const kinds = Object.entries(PARAMS).map(([name, spec]) => [name, widgetOf(spec)]);
  expect(Object.fromEntries(kinds)).toEqual({
    text: 'text',
    prompt: 'multiline',
    fit: 'choices',
    carry: 'choices',
    invert: 'switch',
    maybe: 'tristate',
    steps: 'slider',
    strength: 'slider',
    width: 'number',
    height: 'number',
    seed: 'seed',
    weights: 'list',
    words: 'list',
    image: 'image',
    mask: 'mask',
    tensors: 'text',
  });
});

it.each([
  [PARAMS.width, 512, null],
  [PARAMS.width, 512.5, 'Takes a whole number from 1 to 8192.'],
  [PARAMS.width, '512', 'Takes a whole number from 1 to 8192.'],
  [PARAMS.width, null, 'Needs a value.'],
  [PARAMS.steps, null, null],
  [PARAMS.strength, 1.5, 'Takes a number from 0 to 1.'],
  [PARAMS.strength, NaN, 'Takes a number from 0 to 1.'],
  [PARAMS.fit, 'stretch', 'Takes one of cover, contain.'],
  [PARAMS.carry, 'prompt', null],
  [PARAMS.carry, false, null],
  [PARAMS.carry, 'false', 'Takes one of all, prompt alone, nothing.'],
  [PARAMS.invert, 1, 'Takes yes or no.'],
  [PARAMS.text, 7, 'Takes text.'],
  [PARAMS.weights, 0.5, 'Takes a list.'],
  [PARAMS.weights, [0.5, 99], 'Item 2: Takes a number from -10 to 10.'],
  [PARAMS.weights, [0.5, null], 'Item 2: Needs a value.'],
  [PARAMS.weights, [], null],
])('complains of a value that is wrong (%#)', (spec, value, said) => {
  expect(complaint(spec, value)).toBe(said);
});

it('starts a new row of a list with what the last one holds, or something that is allowed', () => {
  expect(newItem(PARAMS.weights, [0.2, 0.4])).toBe(0.4);
  expect(newItem(PARAMS.weights, [])).toBe(1);
  const high = param({ type: 'int', many: true, range: { low: 5, high: 9, step: null } });
  expect(newItem(high, [])).toBe(5);
  expect(newItem(param({ type: 'bool', many: true }), [])).toBe(false);
  expect(newItem(PARAMS.words, [])).toBe('');
  expect(complaint(itemOf(high), newItem(high, []))).toBeNull();
});
