import { expect, it } from 'vitest';
import SizeFields from '../../src/canvas/widgets/fields/SizeFields.svelte';
import WeightRow from '../../src/canvas/widgets/WeightRow.svelte';
import Widget from '../../src/canvas/widgets/Widget.svelte';
import { param, PARAMS } from './param';
import { click, leave, press, stage, type } from './stage.svelte';

type Input = HTMLInputElement;
const button = (target: Element, label: string) =>
  target.querySelector<HTMLButtonElement>(`button[aria-label="${label}"]`)!;

it('types a number: sends what is right, leaves the text alone, commits when left', () => {
  const { find, changes, commits } = stage(Widget, { param: PARAMS.width, value: 512 });
  const field = find<Input>('input');
  type(field, '7');
  type(field, '76');
  type(field, '768.0');
  expect(field.value).toBe('768.0');
  expect(changes).toEqual([7, 76, 768]);
  expect(commits()).toBe(0);
  leave(field);
  expect(field.value).toBe('768');
  expect(commits()).toBe(1);
});

it('brings a number into its range when the field is left, not while it is typed', () => {
  const { find, changes } = stage(Widget, { param: PARAMS.width, value: 512 });
  const field = find<Input>('input');
  type(field, '99999');
  expect(field.value).toBe('99999');
  expect(field.getAttribute('aria-invalid')).toBe('true');
  expect(changes).toEqual([]);
  leave(field);
  expect(field.value).toBe('8192');
  expect(changes).toEqual([8192]);
  expect(field.getAttribute('aria-invalid')).toBe('false');
});

it('keeps text that is no number, with a hint that the field is described by', () => {
  const { find, target, changes } = stage(Widget, { param: PARAMS.width, value: 512, describedby: 'help' });
  const field = find<Input>('input');
  type(field, 'wide');
  leave(field);
  expect(field.value).toBe('wide');
  expect(changes).toEqual([]);
  const [help, hint] = field.getAttribute('aria-describedby')!.split(' ');
  expect(help).toBe('help');
  expect(target.querySelector(`[id="${hint}"]`)!.textContent).toBe('Takes a whole number from 1 to 8192.');
});

it('drops the draft when the value changes elsewhere (undo)', () => {
  const { find, set } = stage(Widget, { param: PARAMS.width, value: 512 });
  const field = find<Input>('input');
  type(field, '600');
  set('value', 512);
  expect(field.value).toBe('512');
});

it('shows a wrong value of a file and does not lose it', () => {
  const { find, changes } = stage(Widget, { param: PARAMS.width, value: 'big' });
  const field = find<Input>('input');
  expect(field.value).toBe('big');
  expect(field.getAttribute('aria-invalid')).toBe('true');
  leave(field);
  expect(changes).toEqual([]);
});

it('steps with the arrow keys', () => {
  const { find, changes, commits } = stage(Widget, { param: PARAMS.width, value: 512 });
  const field = find<Input>('input');
  press(field, 'ArrowUp');
  press(field, 'ArrowDown', { shiftKey: true });
  press(field, 'PageUp');
  expect(changes).toEqual([513, 503, 513]);
  expect(commits()).toBe(3);
});

it('shows null as auto, and can be set back to it', () => {
  const { find, target, changes } = stage(Widget, { param: PARAMS.steps, value: undefined });
  const field = find<Input>('input[role="spinbutton"]');
  expect([field.value, field.placeholder]).toEqual(['', 'auto']);
  expect(button(target, 'Set thing to auto')).toBeNull();
  type(field, '30');
  click(button(target, 'Set thing to auto'));
  expect(field.value).toBe('');
  type(field, '20');
  type(field, '');
  expect(changes).toEqual([30, null, 20, null]);
});

it('can be reset to its default, which takes what is written away', () => {
  const { target, changes, commits } = stage(Widget, { param: PARAMS.strength, value: 0.8 });
  click(button(target, 'Reset thing to its default'));
  expect(changes).toEqual([undefined]);
  expect(commits()).toBe(1);
  expect(target.querySelector<Input>('input[role="spinbutton"]')!.value).toBe('0.3');
  expect(button(target, 'Reset thing to its default')).toBeNull();
});

it('slides', () => {
  const { find, changes, commits } = stage(Widget, { param: PARAMS.strength, value: 0.3 });
  const slider = find<Input>('input[type="range"]');
  expect([slider.min, slider.max, slider.step, slider.value]).toEqual(['0', '1', '0.01', '0.3']);
  type(slider, '0.5');
  expect(changes).toEqual([0.5]);
  expect(find<Input>('input[role="spinbutton"]').value).toBe('0.5');
  leave(slider);
  expect(commits()).toBe(1);
});

it('drags a number by its name', () => {
  const { find, changes, commits } = stage(Widget, { param: PARAMS.width, value: 512 });
  const label = find<HTMLLabelElement>('label');
  const at = (kind: string, clientX: number, shiftKey = false) =>
    label.dispatchEvent(new MouseEvent(kind, { clientX, shiftKey, bubbles: true }));
  at('pointerdown', 100);
  at('pointermove', 102);
  at('pointermove', 120);
  at('pointermove', 110, true);
  at('pointerup', 110);
  at('pointermove', 300);
  expect(changes).toEqual([532, 612]);
  expect(commits()).toBe(1);
});

it('takes text as it is typed', () => {
  const { find, changes, commits } = stage(Widget, { param: PARAMS.prompt, value: 'a' });
  const area = find<HTMLTextAreaElement>('textarea');
  expect(area.className).toContain('nowheel');
  type(area, 'a cat\nin a hat');
  leave(area);
  expect(changes).toEqual(['a cat\nin a hat']);
  expect(commits()).toBe(1);
});

it('chooses one of a few', () => {
  const { find, target, changes } = stage(Widget, { param: PARAMS.fit, value: 'squeeze' });
  const select = find<HTMLSelectElement>('select');
  expect(select.value).toBe('squeeze');
  expect(target.textContent).toContain('Takes one of cover, contain.');
  select.value = 'contain';
  leave(select);
  expect(changes).toEqual(['contain']);
  expect([...select.options].map((option) => option.value)).toEqual(['cover', 'contain']);
});

it('switches', () => {
  const { find, changes } = stage(Widget, { param: PARAMS.invert, value: undefined });
  const knob = find<HTMLButtonElement>('[role="switch"]');
  expect(knob.getAttribute('aria-checked')).toBe('false');
  click(knob);
  expect(knob.getAttribute('aria-checked')).toBe('true');
  click(knob);
  expect(changes).toEqual([true, false]);
});

it('leaves a switch open where null is allowed', () => {
  const { find, changes } = stage(Widget, { param: PARAMS.maybe, value: undefined });
  const select = find<HTMLSelectElement>('select');
  expect(select.selectedOptions[0].textContent).toBe('auto');
  for (const word of ['on', 'off']) {
    select.value = word;
    leave(select);
  }
  select.selectedIndex = 0;
  leave(select);
  expect(changes).toEqual([true, false, null]);
});

it('offers choices that are no words by their labels', () => {
  const { find, changes } = stage(Widget, { param: PARAMS.carry, value: undefined });
  const select = find<HTMLSelectElement>('select');
  expect(select.selectedOptions[0].textContent).toBe('all');
  for (const label of ['prompt alone', 'nothing', 'all']) {
    select.value = label;
    leave(select);
  }
  expect(changes).toEqual(['prompt', false, true]);
});

it('rolls a seed and locks it', () => {
  const locks: boolean[] = [];
  const { find, target, changes, set } = stage(Widget, {
    param: PARAMS.seed,
    value: 0,
    locked: false,
    onlock: (locked: boolean) => locks.push(locked),
  });
  click(button(target, 'Roll a new thing'));
  expect(Number.isSafeInteger(changes[0])).toBe(true);
  expect(find<Input>('input').value).toBe(String(changes[0]));
  const lock = button(target, 'Keep this thing');
  click(lock);
  set('locked', true);
  expect(lock.getAttribute('aria-pressed')).toBe('true');
  click(lock);
  expect(locks).toEqual([true, false]);
  type(find<Input>('input'), '9007199254740991');
  expect(changes.at(-1)).toBe(9007199254740991);
});

it('edits a list', () => {
  const { target, changes } = stage(Widget, { param: PARAMS.weights, value: [0.5] });
  click(button(target, 'Add to thing'));
  const fields = () => [...target.querySelectorAll<Input>('input[role="spinbutton"]')];
  type(fields()[1], '0.25');
  click(button(target, 'Remove thing 1'));
  expect(changes).toEqual([[0.5, 0.5], [0.5, 0.25], [0.25]]);
  expect(fields().map((field) => field.getAttribute('aria-label'))).toEqual(['thing 1']);
});

it('edits lists of words, and shows what is no list', () => {
  const { target, changes } = stage(Widget, { param: PARAMS.words, value: 'a' });
  expect(target.textContent).toContain('Takes a list.');
  click(button(target, 'Add to thing'));
  type(target.querySelector<Input>('input')!, 'b');
  expect(changes).toEqual([[''], ['b']]);
});

it('sets both sides of a picture in one call', () => {
  const { target, find, changes } = stage(SizeFields, {
    widthParam: PARAMS.width,
    heightParam: PARAMS.height,
    width: 768,
    height: undefined,
  });
  click(button(target, 'Swap width and height'));
  const select = find<HTMLSelectElement>('select');
  select.value = [...select.options].find((option) => option.textContent === '1024 × 768')!.value;
  leave(select);
  expect(select.value).toBe('');
  type(find<Input>('input[aria-label="Height"]'), '64');
  expect(changes).toEqual([{ width: 512, height: 768 }, { width: 1024, height: 768 }, { height: 64 }]);
});

it('shows one weight', () => {
  const { find, changes } = stage(WeightRow, { value: 0.5, range: { low: 0, high: 1, step: 0.05 } });
  type(find<Input>('input[type="range"]'), '0.75');
  expect(changes).toEqual([0.75]);
});

it.each(Object.entries(PARAMS).filter(([, spec]) => !spec.file || spec.file === 'tensors'))(
  'names everything that can be operated, and switches all of it off: %s',
  (_, spec) => {
    const value = spec.many ? [spec.type === 'string' ? 'a' : 1] : undefined;
    const { target, set } = stage(Widget, { param: spec, value });
    const operable = () => [...target.querySelectorAll<Input>('input,select,textarea,button')];
    expect(operable().length).toBeGreaterThan(0);
    for (const element of operable()) expect(element.getAttribute('aria-label')).toBeTruthy();
    set('disabled', true);
    for (const element of operable()) expect(element.disabled).toBe(true);
  },
);

it('survives values of every wrong shape', () => {
  for (const spec of [...Object.values(PARAMS), param({ type: 'unheard_of' })].filter((one) => !one.file)) {
    for (const value of [null, true, 3, 'x', [], [null], { a: 1 }]) {
      const { changes } = stage(Widget, { param: spec, value });
      expect(changes).toEqual([]);
    }
  }
});
