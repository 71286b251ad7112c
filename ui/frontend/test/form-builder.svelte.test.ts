import { flushSync } from 'svelte';
import { describe, expect, it, vi } from 'vitest';
import FormBuilder from '../src/canvas/form/FormBuilder.svelte';
import { placeAt } from '../src/core/layout/grid';
import { formEntries } from '../src/core/workflow/interface';
import type { WorkflowJson } from '../src/core/workflow/types';
import { catalogue } from './catalogue-for-tests';
import { click, key, settled, show, write } from './show';

const workflow: WorkflowJson = {
  format: 'kandinsky-workflow',
  version: 1,
  nodes: {
    prompt: { type: 'words', params: { text: 'a cube' } },
    one: { type: 'paint', inputs: { embeds: 'prompt.embeds' }, ui: { title: 'Brush' } },
    two: { type: 'paint', inputs: { embeds: 'prompt.embeds', seed: 'dice.value' } },
    dice: { type: 'dice' },
  },
  interface: {
    inputs: { prompt: 'prompt.text', seed: 'one.seed', gone: 'nobody.text' },
    outputs: { image: 'one.image' },
  },
};

/** The builder with a canvas around it that takes its edits. */
function open() {
  let now = $state.raw(workflow);
  const labels: string[] = [];
  const onshow = vi.fn();
  const view = show(FormBuilder, {
    get workflow() {
      return now;
    },
    catalogue,
    onedit: (changed: WorkflowJson, label: string) => {
      now = changed;
      labels.push(label);
    },
    onshow,
    onclose: () => undefined,
  });
  const field = (label: string) => {
    const found = view.all<HTMLLabelElement>('label').find((one) => one.textContent === label)!;
    return view.one<HTMLInputElement>(`[id="${found.htmlFor}"]`);
  };
  const fill = (label: string, value: string) => {
    write(field(label), value);
    field(label).dispatchEvent(new Event('change', { bubbles: true }));
    flushSync();
  };
  const inputs = () => formEntries(now, 'inputs');
  return { ...view, labels, onshow, field, fill, inputs, names: () => inputs().map(({ name }) => name) };
}

describe('the form', () => {
  it('is listed in order, with what is wrong with a target', () => {
    const { all, text } = open();
    expect(all('.called').map((name) => name.textContent)).toEqual(['prompt', 'seed', 'gone', 'image']);
    expect(text()).toContain('nobody.text: there is no node "nobody"');
  });

  it('opens as a form', () => {
    const { button, onshow } = open();
    click(button('Open as form'));
    expect(onshow).toHaveBeenCalled();
  });

  it('is ordered by buttons and by keys; the focus goes along', async () => {
    const { button, names, labels, root } = open();
    click(button('Move prompt down'));
    await settled();
    expect(names()).toEqual(['seed', 'prompt', 'gone']);
    expect(labels).toEqual(['Move prompt on the form']);
    expect(root.activeElement).toBe(button('Move prompt down'));
    key(button('Move prompt: drag, or arrow keys'), 'ArrowDown');
    await settled();
    expect(names()).toEqual(['seed', 'gone', 'prompt']);
    expect(root.activeElement).toBe(button('Move prompt: drag, or arrow keys'));
    expect(button('Move prompt down').disabled).toBe(true);
    key(root.activeElement!, 'ArrowDown');
    await settled();
    expect(labels).toHaveLength(2);
  });

  it('is ordered by dragging', async () => {
    const { all, button, names } = open();
    const grip = button('Move prompt: drag, or arrow keys');
    grip.setPointerCapture = vi.fn();
    // Rows of 40 pixels, from the top.
    all('ol')[0]
      .querySelectorAll('li')
      .forEach((row, index) => {
        row.getBoundingClientRect = () => new DOMRect(0, index * 40, 300, 40);
      });
    const pointer = (type: string, clientY: number) =>
      grip.dispatchEvent(new MouseEvent(type, { bubbles: true, clientY }));
    pointer('pointerdown', 20);
    pointer('pointermove', 65);
    flushSync();
    expect(all('.marked, .last')).toHaveLength(1);
    pointer('pointerup', 65);
    await settled();
    expect(names()).toEqual(['seed', 'prompt', 'gone']);
    expect(all('.marked, .last')).toHaveLength(0);
  });

  it('takes titles, helps and names, each as one edit', () => {
    const { all, fill, field, inputs, labels, text } = open();
    click(all('.open')[1]);
    fill('Title', ' Seed ');
    fill('Help', 'The same seed, the same picture.');
    fill('Name', 'start seed');
    expect(text()).toContain('Letters, digits and _ only');
    expect(field('Name').getAttribute('aria-invalid')).toBe('true');
    fill('Name', 'prompt');
    expect(text()).toContain('Another entry is called "prompt".');
    fill('Name', 'dice');
    expect(inputs()[1]).toEqual({
      name: 'dice',
      targets: ['one.seed'],
      title: 'Seed',
      help: 'The same seed, the same picture.',
    });
    expect(labels).toEqual([
      'Title of seed on the form',
      'Help of seed on the form',
      'Name of seed on the form',
    ]);
    // Its fields stay open under the new name.
    expect(field('Title').value).toBe('Seed');
  });

  it('may set several params of one kind by one entry', () => {
    const { all, one, inputs, button } = open();
    click(all('.open')[1]);
    const select = one<HTMLSelectElement>('select');
    expect([...select.options].map((option) => option.value)).toEqual([
      '',
      'one.steps',
      'two.seed',
      'two.steps',
      'dice.value',
    ]);
    select.value = 'dice.value';
    select.dispatchEvent(new Event('change', { bubbles: true }));
    flushSync();
    expect(inputs()[1].targets).toEqual(['one.seed', 'dice.value']);
    click(button('seed does not set one.seed'));
    expect(inputs()[1].targets).toEqual(['dice.value']);
  });

  it('lets entries go', () => {
    const { button, names } = open();
    click(button('Take gone off the form'));
    expect(names()).toEqual(['prompt', 'seed']);
  });

  it('adds what is found by words: title of the node, its id, the param', () => {
    const { all, one, names, button } = open();
    const shown = () => all('.add li button').map((item) => item.textContent!.replace(/\s+/g, ' ').trim());
    click(all<HTMLButtonElement>('button[aria-expanded]').find((item) => item.textContent === 'Add')!);
    expect(shown()).toContain('Add text of Words, on the form as prompt');
    click(button('Add seed of Paint, a wire sets it'));
    expect(names()).toEqual(['prompt', 'seed', 'gone']);
    write(one<HTMLInputElement>('input[type=search]'), 'brush steps');
    expect(shown()).toEqual(['Add steps of Brush, int']);
    click(button('Add steps of Brush, int'));
    expect(names()).toEqual(['prompt', 'seed', 'gone', 'steps']);
    expect(one('.add [role=status]').textContent).toBe('one.steps is on the form.');
    expect(shown()).toEqual(['Add steps of Brush, on the form as steps']);
    write(one<HTMLInputElement>('input[type=search]'), 'zebra');
    expect(one('.add').textContent).toContain('Nothing has “zebra” in it.');
  });
});

it('a dragged row lies after all whose middle is above it', () => {
  const middles = [20, 60, 100];
  expect(placeAt(middles, 0, 10)).toBe(0);
  expect(placeAt(middles, 0, 65)).toBe(1);
  expect(placeAt(middles, 0, 500)).toBe(2);
  expect(placeAt(middles, 2, 30)).toBe(1);
  expect(placeAt(middles, 2, -30)).toBe(0);
  expect(placeAt(middles, 1, 60)).toBe(1);
});
