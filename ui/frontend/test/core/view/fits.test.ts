import { describe, expect, it } from 'vitest';
import { candidates, firstGiver, firstTaker, outputType, whyNot } from '../../../src/core/view/fits';
import type { NodeJson, WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const workflow = (nodes: Record<string, NodeJson>): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  nodes,
});
const end = (text: string) => ({ node: text.split('.')[0], port: text.split('.')[1] });
const why = (flow: WorkflowJson, from: string, to: string) => whyNot(flow, catalogue, end(from), end(to));

const flow = workflow({
  words: { type: 'words' },
  paint: { type: 'paint', inputs: { embeds: 'words.embeds' } },
  mix: { type: 'mix', inputs: { embeds: ['words.embeds'] } },
  dice: { type: 'dice' },
  name: { type: 'name' },
  load: { type: 'load' },
  batch: { type: 'batch' },
  show: { type: 'show' },
  strange: { type: 'pack/unknown' },
});

describe('a wire', () => {
  it('fits ports of its type, also such that are taken', () => {
    expect(why(flow, 'words.embeds', 'paint.embeds')).toBeNull();
    expect(why(flow, 'paint.image', 'show.image')).toBeNull();
  });

  it('says in a few words why it does not fit', () => {
    expect(why(flow, 'paint.image', 'mix.embeds')).toMatch(/^Image does not fit /);
    expect(why(flow, 'paint.image', 'paint.embeds')).toBe('a node cannot feed itself');
    expect(why(flow, 'strange.x', 'mix.embeds')).toBe('this node type is not installed here');
    expect(why(flow, 'dice.value', 'mix.weights')).toBe('a list of values takes no wire');
    expect(why(flow, 'dice.value', 'mix.nothing')).toBe('Mix has no nothing');
  });

  it('never closes a circle', () => {
    const chain = workflow({
      one: { type: 'mix', inputs: { embeds: ['words.embeds'] } },
      two: { type: 'mix', inputs: { embeds: ['one.embeds'] } },
      three: { type: 'mix', inputs: { embeds: ['two.embeds'] }, ui: { title: 'Last' } },
    });
    expect(why(chain, 'three.embeds', 'one.embeds')).toBe('a circle: Last already depends on Mix');
    expect(why(chain, 'one.embeds', 'three.embeds')).toBeNull();
  });

  it('of a value fits params, and a whole number those that take a number', () => {
    expect(why(flow, 'dice.value', 'paint.seed')).toBeNull();
    expect(why(flow, 'dice.value', 'words.text')).toMatch(/does not fit/);
  });

  it('at a fixed param comes from a value node only', () => {
    const made = workflow({ ...flow.nodes, other: { type: 'load' } });
    expect(why(made, 'name.value', 'load.source')).toBeNull();
    expect(why(made, 'words.embeds', 'load.source')).toBe('source takes only a value node');
  });

  it('has the type of what goes through a node of any type', () => {
    const through = workflow({
      ...flow.nodes,
      batch: { type: 'batch', inputs: { values: ['paint.image'] } },
      more: { type: 'batch', inputs: { values: ['batch.batch'] } },
    });
    expect(outputType(through, catalogue, end('more.batch'))).toBe('image');
    expect(why(through, 'more.batch', 'show.image')).toBeNull();
    expect(why(through, 'more.batch', 'mix.embeds')).toMatch(/Image does not fit/);
    expect(why(through, 'words.embeds', 'batch.values')).toMatch(/does not fit Image/);
    expect(why(through, 'load.unet', 'batch.values')).toMatch(/does not fit/);
  });

  it('of a network does not go where values are gathered', () => {
    expect(why(flow, 'load.unet', 'batch.values')).toMatch(/is a network, not a value$/);
  });
});

describe('the first port that fits', () => {
  it('is a free one before a taken one', () => {
    expect(firstTaker(flow, catalogue, end('words.embeds'), 'paint')).toEqual(end('paint.embeds'));
    expect(firstTaker(flow, catalogue, end('dice.value'), 'paint')).toEqual(end('paint.seed'));
    expect(firstTaker(flow, catalogue, end('paint.image'), 'mix')).toBeNull();
    expect(firstGiver(flow, catalogue, end('show.image'), 'paint')).toEqual(end('paint.image'));
    expect(firstGiver(flow, catalogue, end('show.image'), 'dice')).toBeNull();
  });

  it('is a param that is shown as a port before the others', () => {
    const shown = workflow({ ...flow.nodes, paint: { type: 'paint', ui: { ports: ['steps'] } } });
    expect(firstTaker(shown, catalogue, end('dice.value'), 'paint')).toEqual(end('paint.steps'));
  });
});

describe('the candidates for a loose wire', () => {
  const names = (text: string, side: 'output' | 'input') =>
    candidates(flow, catalogue, { end: end(text), side }).map(({ spec, port }) => `${spec.id}.${port}`);

  it('are all ports and params that it fits', () => {
    expect(names('words.embeds', 'output')).toEqual(['paint.embeds', 'mix.embeds', 'batch.values']);
    expect(names('dice.value', 'output')).toEqual(
      expect.arrayContaining(['paint.seed', 'paint.steps', 'dice.value']),
    );
  });

  it('are all outputs that fit an input', () => {
    expect(names('show.image', 'input')).toEqual(['paint.image', 'batch.batch']);
  });
});
