import { expect, it } from 'vitest';
import {
  fitted,
  moved,
  readNumber,
  rollSeed,
  showValue,
  slides,
  wanted,
} from '../../src/canvas/widgets/fields/numbers';
import { presets, sizeName } from '../../src/canvas/widgets/fields/sizes';

it.each([
  ['12', 12],
  [' -0.5 ', -0.5],
  ['.5', 0.5],
  ['1,5', 1.5],
  ['1e3', 1000],
  ['5.', 5],
])('reads %j', (text, value) => expect(readNumber(text)).toBe(value));

it.each(['', ' ', 'abc', '1 2', '1,2,3', '0x10', '--1', 'Infinity', '1e999', '1.2.3'])(
  'reads no number in %j',
  (text) => expect(readNumber(text)).toBeNull(),
);

it('shows any value as text', () => {
  expect([null, undefined, 'a', 3, true, [1, 2], { a: 1 }].map(showValue)).toEqual([
    '',
    '',
    'a',
    '3',
    'true',
    '[1,2]',
    '{"a":1}',
  ]);
});

it('fits numbers into their range', () => {
  const range = { low: 1, high: 10, step: null };
  expect([0, 2.6, 99].map((value) => fitted(value, 'int', range))).toEqual([1, 3, 10]);
  expect(fitted(2.6, 'float', range)).toBe(2.6);
});

it('steps without crumbs', () => {
  const range = { low: 0, high: 1, step: 0.1 };
  expect(moved(0.1, 2, 'float', range)).toBe(0.3);
  expect(moved(0.95, 1, 'float', range)).toBe(1);
  expect(moved(5, -10, 'int', { low: 1, high: 9, step: null })).toBe(1);
});

it('slides through narrow ranges only', () => {
  expect(slides('float', { low: 0, high: 100, step: 0.1 })).toBe(true);
  expect(slides('float', { low: 0, high: 100, step: null })).toBe(false);
  expect(slides('int', { low: 1, high: 1000, step: null })).toBe(true);
  expect(slides('int', { low: 1, high: 8192, step: null })).toBe(false);
  expect(slides('int')).toBe(false);
});

it('rolls seeds that are whole and in range', () => {
  for (let roll = 0; roll < 200; roll++) {
    const seed = rollSeed({ low: 3, high: 7, step: null });
    expect(Number.isInteger(seed) && seed >= 3 && seed <= 7).toBe(true);
  }
  const seeds = new Set(Array.from({ length: 20 }, () => rollSeed()));
  expect(seeds.size).toBeGreaterThan(15);
});

it('says what it takes', () => {
  expect(wanted('int', { low: 1, high: 9, step: null })).toBe('Takes a whole number from 1 to 9.');
  expect(wanted('float')).toBe('Takes a number.');
});

it('offers the sizes that are in range', () => {
  const range = { low: 1, high: 256, step: null };
  expect(presets(range, range).map(sizeName)).toEqual(['64²', '128²', '192 × 128', '128 × 192', '256²']);
});
