import { describe, expect, it } from 'vitest';
import {
  addNode,
  connect,
  cut,
  freshId,
  moveNodes,
  removeNodes,
  renameNode,
  reorder,
  replug,
  setMode,
  setParam,
  setUi,
  setWireUi,
} from '../../../src/core/workflow/edits';
import { allWires, wiresInto } from '../../../src/core/workflow/links';
import type { NodeJson, WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const workflow = (nodes: Record<string, NodeJson>, rest: Partial<WorkflowJson> = {}): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  nodes,
  ...rest,
});

const mixed = () =>
  workflow({
    a: { type: 'words' },
    b: { type: 'words' },
    c: { type: 'words' },
    mix: {
      type: 'mix',
      inputs: { embeds: ['a.embeds', 'b.embeds', 'c.embeds'] },
      params: { weights: [0.2, 0.3, 0.5] },
    },
  });

describe('nodes', () => {
  it('get free ids made of their type', () => {
    expect(freshId({}, 'words')).toBe('words');
    expect(freshId({ words: 1, words_2: 1 }, 'words')).toBe('words_3');
    expect(freshId({}, 'my_pack/vig-nette')).toBe('vig_nette');
    expect(freshId({}, 'pack/3d')).toBe('_3d');
  });

  it('are added with a place, and a version only where it is not the first', () => {
    const { workflow: one, id } = addNode(workflow({}), 'words', 1, [10.4, 20.6]);
    expect(one.nodes[id]).toEqual({ type: 'words', ui: { position: [10, 21] } });
    expect(addNode(one, 'words', 3, [0, 0]).workflow.nodes.words_2.version).toBe(3);
  });

  it('keep the order of their keys, whatever is set first', () => {
    let flow = addNode(workflow({}), 'words', 1, [0, 0]).workflow;
    flow = setParam(flow, 'words', 'text', 'hello');
    flow = setMode(flow, ['words'], 'muted');
    expect(Object.keys(flow.nodes.words)).toEqual(['type', 'mode', 'params', 'ui']);
    flow = setMode(setParam(flow, 'words', 'text', undefined), ['words'], 'active');
    expect(Object.keys(flow.nodes.words)).toEqual(['type', 'ui']);
  });

  it('take their wires and their place on the form along', () => {
    const flow = {
      ...mixed(),
      interface: {
        inputs: { first: 'a.text', both: { targets: ['a.text', 'b.text'] } },
        outputs: { out: 'mix.embeds' },
      },
    };
    const left = removeNodes(flow, catalogue, new Set(['a']));
    expect(left.nodes.mix.inputs).toEqual({ embeds: ['b.embeds', 'c.embeds'] });
    expect(left.nodes.mix.params).toEqual({ weights: [0.3, 0.5] });
    expect(left.interface).toEqual({
      inputs: { both: { targets: ['b.text'] } },
      outputs: { out: 'mix.embeds' },
    });
  });

  it('are the same object if nothing changes', () => {
    const flow = mixed();
    const moved = moveNodes(flow, new Map([['a', [5, 5]]]));
    expect(moved.nodes.b).toBe(flow.nodes.b);
    expect(moved.nodes.a).not.toBe(flow.nodes.a);
  });

  it('are renamed wherever they are named', () => {
    const flow = renameNode({ ...mixed(), interface: { inputs: { text: 'a.text' } } }, 'a', 'first');
    expect(Object.keys(flow.nodes)).toEqual(['first', 'b', 'c', 'mix']);
    expect(flow.nodes.mix.inputs).toEqual({ embeds: ['first.embeds', 'b.embeds', 'c.embeds'] });
    expect(flow.interface?.inputs).toEqual({ text: 'first.text' });
    expect(() => renameNode(flow, 'b', 'c')).toThrow('there is a node "c" already');
    expect(() => renameNode(flow, 'b', '2 b')).toThrow('not an id');
  });

  it('lose what of their looks is the usual again', () => {
    const flow = setUi(workflow({ a: { type: 'words' } }), 'a', { collapsed: true, ports: ['text'] });
    expect(flow.nodes.a.ui).toEqual({ collapsed: true, ports: ['text'] });
    expect(setUi(flow, 'a', { collapsed: false, ports: [] }).nodes.a).toEqual({ type: 'words' });
  });
});

describe('wires', () => {
  it('replace each other at a port, and follow each other at a list port', () => {
    let flow = workflow({
      a: { type: 'words' },
      b: { type: 'words' },
      p: { type: 'paint' },
      m: { type: 'mix' },
    });
    flow = connect(flow, catalogue, { node: 'a', port: 'embeds' }, { node: 'p', port: 'embeds' });
    flow = connect(flow, catalogue, { node: 'b', port: 'embeds' }, { node: 'p', port: 'embeds' });
    expect(flow.nodes.p.inputs).toEqual({ embeds: 'b.embeds' });
    flow = connect(flow, catalogue, { node: 'a', port: 'embeds' }, { node: 'm', port: 'embeds' });
    flow = connect(flow, catalogue, { node: 'b', port: 'embeds' }, { node: 'm', port: 'embeds', index: 0 });
    expect(flow.nodes.m.inputs).toEqual({ embeds: ['b.embeds', 'a.embeds'] });
  });

  it('bring a weight where weights are written, and take it along', () => {
    let flow = connect(mixed(), catalogue, { node: 'a', port: 'embeds' }, { node: 'mix', port: 'embeds' });
    expect(flow.nodes.mix.params).toEqual({ weights: [0.2, 0.3, 0.5, 0.33] });
    flow = cut(flow, catalogue, { node: 'mix', port: 'embeds', index: 1 });
    expect(flow.nodes.mix.params).toEqual({ weights: [0.2, 0.5, 0.33] });
    flow = reorder(flow, catalogue, { node: 'mix', port: 'embeds' }, 2, 0);
    expect(flow.nodes.mix).toMatchObject({
      inputs: { embeds: ['a.embeds', 'a.embeds', 'c.embeds'] },
      params: { weights: [0.33, 0.2, 0.5] },
    });
  });

  it('leave weights alone that do not belong to them one by one', () => {
    const flow = workflow({ a: { type: 'words' }, m: { type: 'mix', params: { weights: [1] } } });
    const linked = connect(flow, catalogue, { node: 'a', port: 'embeds' }, { node: 'm', port: 'embeds' });
    expect(linked.nodes.m.params).toEqual({ weights: [1] });
  });

  it('are put elsewhere, in a list at the same place', () => {
    const flow = mixed();
    const wire = wiresInto('mix', flow.nodes.mix)[1];
    const other = replug(flow, catalogue, wire, { node: 'a', port: 'embeds' }, wire.to);
    expect(other.nodes.mix.inputs).toEqual({ embeds: ['a.embeds', 'a.embeds', 'c.embeds'] });
    expect(other.nodes.mix.params).toEqual({ weights: [0.2, 0.3, 0.5] });
  });

  it('keep their route in the file, and are plain text without one', () => {
    let flow = mixed();
    const wire = wiresInto('mix', flow.nodes.mix)[0];
    flow = setWireUi(flow, wire, { route: [[1, 2]] });
    expect(flow.nodes.mix.inputs?.embeds).toEqual([
      { from: 'a.embeds', ui: { route: [[1, 2]] } },
      'b.embeds',
      'c.embeds',
    ]);
    expect(allWires(flow)[0].ui.route).toEqual([[1, 2]]);
    expect(setWireUi(flow, wire, {}).nodes.mix.inputs).toEqual({
      embeds: ['a.embeds', 'b.embeds', 'c.embeds'],
    });
  });

  it('vanish from the file with the last of a list', () => {
    let flow = mixed();
    for (let left = 3; left > 0; left--)
      flow = cut(flow, catalogue, { node: 'mix', port: 'embeds', index: 0 });
    expect(flow.nodes.mix).toEqual({ type: 'mix', params: { weights: [] } });
  });
});
