import { expect, it } from 'vitest';
import { recall } from '../../../src/core/view/recall';
import type { WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const workflow: WorkflowJson = {
  format: 'kandinsky-workflow',
  version: 1,
  nodes: {
    prompt: { type: 'words', params: { text: 'a cube', lines: true } },
    paint: { type: 'paint', inputs: { embeds: 'prompt.embeds' }, params: { steps: 30 } },
    wired: { type: 'paint', inputs: { embeds: 'prompt.embeds', seed: 'dice.value' } },
    dice: { type: 'dice', params: { value: 5 } },
  },
};

it('puts back what differs, and names it', () => {
  const before = JSON.stringify(workflow);
  const {
    workflow: now,
    changed,
    left,
  } = recall(workflow, catalogue, {
    'prompt.text': 'a ball',
    'prompt.lines': true,
    'paint.seed': 7,
    'paint.steps': 25,
  });
  expect(now.nodes.prompt.params).toEqual({ text: 'a ball', lines: true });
  expect(now.nodes.paint.params).toEqual({ steps: 25, seed: 7 });
  expect(changed).toEqual(['prompt.text', 'paint.seed', 'paint.steps']);
  expect(left).toEqual([]);
  expect(JSON.stringify(workflow)).toBe(before);
});

it('leaves what is gone and what a wire sets, and says why', () => {
  const {
    workflow: now,
    changed,
    left,
  } = recall(workflow, catalogue, {
    'gone.text': 'x',
    'toString.text': 'x',
    'prompt.colour': 'red',
    'wired.seed': 9,
  });
  expect(left).toEqual([
    { target: 'gone.text', why: 'the node is gone' },
    { target: 'toString.text', why: 'the node is gone' },
    { target: 'prompt.colour', why: 'the node has no such param' },
    { target: 'wired.seed', why: 'a wire sets it' },
  ]);
  expect(changed).toEqual(['prompt.text', 'prompt.lines']);
  expect(now.nodes.wired).toEqual(workflow.nodes.wired);
});

it('takes out what was not written then, in the nodes that the result speaks of', () => {
  const { workflow: now, changed } = recall(workflow, catalogue, { 'prompt.text': 'a cube' });
  expect(now.nodes.prompt.params).toEqual({ text: 'a cube' });
  expect(now.nodes.paint.params).toEqual({ steps: 30 });
  expect(changed).toEqual(['prompt.lines']);
});

it('writes no default that counts anyway, and changes nothing where all is as it was', () => {
  const same = { 'prompt.text': 'a cube', 'prompt.lines': true, 'paint.seed': 0, 'paint.steps': 30 };
  const { workflow: now, changed } = recall(workflow, catalogue, same);
  expect(now).toBe(workflow);
  expect(changed).toEqual([]);
});

it('reaches params of node types that are not installed here, where they are written', () => {
  const strange: WorkflowJson = { ...workflow, nodes: { x: { type: 'pack/x', params: { level: 1 } } } };
  const { workflow: now, left } = recall(strange, catalogue, { 'x.level': 2, 'x.other': 3 });
  expect(now.nodes.x.params).toEqual({ level: 2 });
  expect(left).toEqual([{ target: 'x.other', why: 'the node has no such param' }]);
});
