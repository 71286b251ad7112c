import { describe, expect, it } from 'vitest';
import { Catalogue } from '../../../src/core/server/catalogue';
import * as form from '../../../src/core/workflow/interface';
import type { WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const workflow: WorkflowJson = {
  format: 'kandinsky-workflow',
  version: 1,
  nodes: {
    prompt: { type: 'words', params: { text: 'a cube' } },
    one: { type: 'paint', inputs: { embeds: 'prompt.embeds' } },
    two: { type: 'paint', inputs: { embeds: 'prompt.embeds', seed: 'dice.value' } },
    dice: { type: 'dice' },
    shown: { type: 'show', inputs: { image: 'one.image' } },
    stranger: { type: 'pack/unknown', params: { x: 1 } },
  },
  interface: {
    inputs: { prompt: 'prompt.text', steps: { targets: ['one.steps', 'two.steps'], title: 'Steps' } },
    outputs: { image: 'one.image' },
  },
  ui: { id: 'w' },
};
const names = (changed: WorkflowJson, side: form.FormSide = 'inputs') =>
  Object.keys(changed.interface?.[side] ?? {});

describe('what the form has', () => {
  it('is read in its full form, in order', () => {
    expect(form.formEntries(workflow, 'inputs')).toEqual([
      { name: 'prompt', targets: ['prompt.text'], title: '', help: '' },
      { name: 'steps', targets: ['one.steps', 'two.steps'], title: 'Steps', help: '' },
    ]);
    expect(form.formEntries({ ...workflow, interface: undefined }, 'outputs')).toEqual([]);
  });

  it('has no place for entries that are none', () => {
    const inputs = {
      a: null,
      b: 3,
      c: {},
      d: { targets: [1] },
      e: { targets: ['prompt.text'], title: 5 },
    } as never;
    expect(form.formEntries({ ...workflow, interface: { inputs } }, 'inputs')).toEqual([
      { name: 'e', targets: ['prompt.text'], title: '5', help: '' },
    ]);
  });

  it('can be any param of a known node; those with an entry or a wire say so', () => {
    const choices = form.formChoices(workflow, catalogue, 'inputs');
    expect(choices.map((choice) => choice.target)).toEqual([
      'prompt.text',
      'prompt.lines',
      'one.seed',
      'one.steps',
      'one.weights',
      'two.seed',
      'two.steps',
      'two.weights',
      'dice.value',
    ]);
    const of = (target: string) => choices.find((choice) => choice.target === target)!;
    expect(of('prompt.text').entry).toBe('prompt');
    expect(of('two.steps').entry).toBe('steps');
    expect(of('two.seed')).toMatchObject({ linked: true, entry: null, kind: 'int' });
    expect(of('one.weights').kind).toBe('float list');
  });

  it('can be outputs that a form can show: pictures and single values, no latents', () => {
    const targets = form.formChoices(workflow, catalogue, 'outputs').map((choice) => choice.target);
    expect(targets).toEqual(['one.image', 'two.image', 'dice.value']);
  });

  it('may set several params of one kind', () => {
    const [, steps] = form.formEntries(workflow, 'inputs');
    const choices = form.formChoices(workflow, catalogue, 'inputs');
    expect(form.companions(steps, choices).map((choice) => choice.target)).toEqual([
      'one.seed',
      'two.seed',
      'dice.value',
    ]);
  });

  it('tells what a target lacks', () => {
    const problem = (target: string, side: form.FormSide = 'inputs') =>
      form.targetProblem(workflow, catalogue, side, target);
    expect(problem('prompt.text')).toBe(null);
    expect(problem('gone.text')).toBe('there is no node "gone"');
    expect(problem('toString.text')).toBe('there is no node "toString"');
    expect(problem('prompt.txt')).toBe('Words has no param "txt"');
    expect(problem('prompt.image', 'outputs')).toBe('Words has no output "image"');
    expect(problem('stranger.x')).toMatch('not installed');
    expect(problem('two.seed')).toMatch('a wire sets it');
    // An output may be called like an input that is linked.
    const outputs = [{ ...catalogue.node('paint')!.outputs[0] }];
    const show = { ...catalogue.node('show')!, outputs };
    const both = new Catalogue({ ...catalogue.spec, nodes: { ...catalogue.spec.nodes, show } });
    expect(form.targetProblem(workflow, both, 'outputs', 'shown.image')).toBe(null);
  });
});

describe('an edit', () => {
  it('adds at the end, under the name of the param or the next that is free', () => {
    const once = form.addEntry(workflow, 'inputs', 'one.seed');
    const twice = form.addEntry(once, 'inputs', 'two.seed');
    expect(names(twice)).toEqual(['prompt', 'steps', 'seed', 'seed_2']);
    expect(twice.interface!.inputs!.seed_2).toBe('two.seed');
  });

  it('never touches the workflow that it is given', () => {
    const before = JSON.stringify(workflow);
    form.addEntry(workflow, 'outputs', 'two.image');
    form.moveEntry(workflow, 'inputs', 'steps', 0);
    form.editEntry(workflow, 'inputs', 'prompt', { title: 'Prompt' });
    form.removeEntry(workflow, 'inputs', 'prompt');
    expect(JSON.stringify(workflow)).toBe(before);
  });

  it('moves, and stays within the order', () => {
    expect(names(form.moveEntry(workflow, 'inputs', 'steps', 0))).toEqual(['steps', 'prompt']);
    expect(names(form.moveEntry(workflow, 'inputs', 'prompt', 99))).toEqual(['steps', 'prompt']);
    expect(form.moveEntry(workflow, 'inputs', 'prompt', -5)).toBe(workflow);
    expect(form.moveEntry(workflow, 'inputs', 'unknown', 0)).toBe(workflow);
  });

  it('writes the shortest form, and no empty part', () => {
    const titled = form.editEntry(workflow, 'inputs', 'prompt', { title: 'Prompt', help: 'What it shows.' });
    expect(titled.interface!.inputs!.prompt).toEqual({
      targets: ['prompt.text'],
      title: 'Prompt',
      help: 'What it shows.',
    });
    expect(form.editEntry(titled, 'inputs', 'prompt', { title: '', help: '' })).toEqual(workflow);
    const bare = form.removeEntry(workflow, 'outputs', 'image');
    expect(bare.interface).not.toHaveProperty('outputs');
    const none = names(bare).reduce((before, name) => form.removeEntry(before, 'inputs', name), bare);
    expect(none).not.toHaveProperty('interface');
  });

  it('renames in place and keeps the order', () => {
    expect(names(form.editEntry(workflow, 'inputs', 'prompt', { name: 'words' }))).toEqual([
      'words',
      'steps',
    ]);
  });

  it('that takes the last target away takes the entry away', () => {
    const one = form.editEntry(workflow, 'inputs', 'steps', { targets: ['two.steps'] });
    expect(form.formEntries(one, 'inputs')[1].targets).toEqual(['two.steps']);
    expect(names(form.editEntry(one, 'inputs', 'steps', { targets: [] }))).toEqual(['prompt']);
  });

  it('keeps the order of the keys in the file', () => {
    const fresh = form.addEntry(
      { ...workflow, interface: undefined, assets: { a: '' } },
      'inputs',
      'one.seed',
    );
    expect(Object.keys(fresh)).toEqual(['format', 'version', 'nodes', 'interface', 'ui', 'assets']);
  });
});

it('says which names an entry cannot have', () => {
  const problem = (name: string) => form.entryNameProblem(workflow, 'inputs', name, 'prompt');
  expect(problem('prompt')).toBe(null);
  expect(problem('words')).toBe(null);
  expect(problem('steps')).toBe('Another entry is called "steps".');
  for (const bad of ['', '1st', 'a b', 'é', 'a.b']) expect(problem(bad)).toMatch('Letters, digits');
});
