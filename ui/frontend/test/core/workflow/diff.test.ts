import { describe as suite, expect, it } from 'vitest';
import { describe, diff, isEmpty, lines } from '../../../src/core/workflow/diff';
import type { NodeJson, WorkflowJson } from '../../../src/core/workflow/types';

const workflow = (nodes: Record<string, NodeJson>, rest: Partial<WorkflowJson> = {}): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  nodes,
  ...rest,
});

const text = (value: string): NodeJson => ({ type: 'text', params: { value }, ui: { position: [0, 0] } });
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

suite('nodes', () => {
  it('are added, removed and changed by id', () => {
    const found = diff(workflow({ a: text('x'), b: text('y') }), workflow({ b: text('z'), c: text('x') }));
    expect(found.nodes.added).toEqual(['c']);
    expect(found.nodes.removed).toEqual(['a']);
    expect(found.nodes.changed).toMatchObject([
      { id: 'b', params: [{ param: 'value', before: 'y', after: 'z' }], moved: false },
    ]);
  });

  it('tell unwritten from null, numbers from texts, and lists by what is in them', () => {
    const node = (params: Record<string, unknown>): NodeJson => ({ type: 'prior', params });
    const found = diff(
      workflow({ a: node({ gone: 1, kept: [1, 2], number: 1, list: [1, 2] }) }),
      workflow({ a: node({ kept: [1, 2], number: '1', list: [2, 1], fresh: null }) }),
    );
    expect(found.nodes.changed[0].params).toEqual([
      { param: 'gone', before: 1, after: undefined },
      { param: 'number', before: 1, after: '1' },
      { param: 'list', before: [1, 2], after: [2, 1] },
      { param: 'fresh', before: undefined, after: null },
    ]);
  });

  it('differ in mode, title, place and looks, each told apart', () => {
    const before = workflow({ a: text('x') });
    const mode = diff(before, workflow({ a: { ...text('x'), mode: 'muted' } })).nodes.changed[0];
    expect(mode).toMatchObject({ mode: { before: 'active', after: 'muted' }, moved: false, params: [] });
    const ui = { position: [5, 0] as [number, number], title: 'Name', collapsed: true };
    const dressed = diff(before, workflow({ a: { ...text('x'), ui } })).nodes.changed[0];
    expect(dressed).toMatchObject({
      title: { before: '', after: 'Name' },
      moved: true,
      looks: ['collapsed'],
    });
    expect(dressed.mode).toBeUndefined();
  });

  it('that say the default of mode or version are the same as those that do not', () => {
    const said = workflow({ a: { ...text('x'), mode: 'active', version: 1 } });
    expect(isEmpty(diff(workflow({ a: text('x') }), said))).toBe(true);
  });
});

suite('wires', () => {
  const into = (links: NodeJson['inputs']) =>
    workflow({ a: text('x'), b: text('y'), t: { type: 'grid', inputs: links } });

  it('are added and removed by their ends', () => {
    const found = diff(into({ one: 'a.value', two: 'a.value' }), into({ one: 'b.value', three: 'a.value' }));
    const ends = (wires: typeof found.wires.added) => wires.map((w) => `${w.from.node}>${w.to.port}`);
    expect(ends(found.wires.added)).toEqual(['b>one', 'a>three']);
    expect(ends(found.wires.removed)).toEqual(['a>one', 'a>two']);
  });

  it('of a list port may only change their order, and may stand twice', () => {
    const order = diff(into({ list: ['a.value', 'b.value'] }), into({ list: ['b.value', 'a.value'] }));
    expect(order.wires).toMatchObject({ added: [], removed: [], reordered: [{ node: 't', port: 'list' }] });
    const twice = diff(into({ list: ['a.value'] }), into({ list: ['a.value', 'a.value'] }));
    expect(twice.wires).toMatchObject({ removed: [], reordered: [] });
    expect(twice.wires.added.map((wire) => wire.to.index)).toEqual([1]);
    const middle = diff(
      into({ list: ['a.value', 'b.value', 'a.value'] }),
      into({ list: ['a.value', 'a.value'] }),
    );
    expect(middle.wires).toMatchObject({ added: [], reordered: [] });
    expect(middle.wires.removed.map((wire) => wire.to.index)).toEqual([1]);
  });

  it('are the same however the link is written; a route is a change of its own', () => {
    expect(isEmpty(diff(into({ one: 'a.value' }), into({ one: { from: 'a.value' } })))).toBe(true);
    const routed = diff(
      into({ one: 'a.value' }),
      into({ one: { from: 'a.value', ui: { route: [[1, 2]] } } }),
    );
    expect(routed.wires.rerouted).toHaveLength(1);
    expect(routed.wires).toMatchObject({ added: [], removed: [] });
  });

  it('come and go with their nodes', () => {
    const bare = workflow({ a: text('x'), b: text('y') });
    expect(diff(bare, into({ one: 'a.value' })).wires.added).toHaveLength(1);
    expect(diff(into({ one: 'a.value' }), bare).wires.removed).toHaveLength(1);
  });
});

it('compares the interface in its full form, its order apart, groups and the name', () => {
  const before = workflow(
    { a: text('x') },
    {
      name: 'One',
      interface: { inputs: { prompt: 'a.value', seed: 's.seed' }, outputs: { image: 'p.image' } },
      ui: {
        groups: [{ id: 'g', title: 'Left', colour: '#123456', box: [0, 0, 1, 1] }],
        viewport: { x: 1, y: 1, zoom: 1 },
      },
    },
  );
  const after = workflow(
    { a: text('x') },
    {
      name: 'Two',
      interface: {
        inputs: { seed: { targets: ['s.seed', 'd.seed'] }, prompt: { targets: ['a.value'] } },
        outputs: {},
      },
      ui: { groups: [], viewport: { x: 2, y: 2, zoom: 2 } },
    },
  );
  const found = diff(before, after);
  expect(found.interface).toEqual([
    { side: 'inputs', name: 'seed', how: 'changed' },
    { side: 'outputs', name: 'image', how: 'removed' },
  ]);
  expect(found.order).toEqual(['inputs']);
  expect(found.groups).toEqual([{ id: 'g', title: 'Left', how: 'removed' }]);
  expect(found.about).toEqual(['name']);
});

it('takes groups that are none for no groups', () => {
  const odd = workflow({}, { ui: { groups: 'none' as never } });
  const holed = workflow({}, { ui: { groups: [null, 3, { id: 'g', title: 'G' }] as never } });
  expect(diff(odd, holed).groups).toEqual([{ id: 'g', title: 'G', how: 'added' }]);
});

it('says each difference in a few words, of the node it is about', () => {
  const before = workflow({ a: text('a red cube'), b: text('y'), gone: text('z') });
  const after = workflow({
    a: text('a blue cube'),
    b: { ...text('y'), mode: 'muted', ui: { position: [9, 9] } },
    t: { type: 'grid', inputs: { images: ['a.value'] } },
  });
  expect(describe(diff(before, after))).toEqual([
    't added',
    'gone removed',
    'a.value: a red cube → a blue cube',
    'b muted',
    'wire a.value → t.images added',
    '1 node moved or shown differently',
  ]);
  const [added] = lines(diff(before, after), (id) => id.toUpperCase());
  expect(added).toEqual({ text: 'T added', kind: 'added', node: 't' });
});

// Random workflows: the same seed, the same ones.
function random(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function anyWorkflow(next: () => number, size: number): WorkflowJson {
  const nodes: Record<string, NodeJson> = {};
  for (let i = 0; i < size; i++) {
    const links = Array.from(
      { length: Math.floor(next() * 3) },
      () => `n${Math.floor(next() * (i + 1))}.out`,
    );
    nodes[`n${i}`] = {
      type: next() < 0.5 ? 'text' : 'prior',
      ...(next() < 0.2 ? { mode: 'muted' as const } : {}),
      inputs: { list: links, ...(i ? { one: `n${Math.floor(next() * i)}.out` } : {}) },
      params: { seed: Math.floor(next() * 3), text: next() < 0.5 ? null : 'x' },
      ui: { position: [Math.floor(next() * 2), 0] },
    };
  }
  return workflow(nodes, { interface: { inputs: { seed: `n${Math.floor(next() * size)}.seed` } } });
}

suite('for any workflows', () => {
  it('one does not differ from itself, nor from its copy', () => {
    for (let seed = 0; seed < 50; seed++) {
      const one = anyWorkflow(random(seed), 12);
      expect(isEmpty(diff(one, one))).toBe(true);
      expect(isEmpty(diff(one, copy(one)))).toBe(true);
      expect(describe(diff(one, copy(one)))).toEqual([]);
    }
  });

  it('the way back is the way there, turned around', () => {
    for (let seed = 0; seed < 50; seed++) {
      const next = random(seed);
      const [a, b] = [anyWorkflow(next, 6 + (seed % 5)), anyWorkflow(next, 8)];
      const [there, back] = [diff(a, b), diff(b, a)];
      expect(back.nodes.added).toEqual(there.nodes.removed);
      expect(back.nodes.removed).toEqual(there.nodes.added);
      const ids = (wires: typeof there.wires.added) =>
        wires.map((wire) => `${wire.from.node}>${wire.to.node}.${wire.to.port}`).sort();
      expect(ids(back.wires.added)).toEqual(ids(there.wires.removed));
      expect(ids(back.wires.removed)).toEqual(ids(there.wires.added));
      const turned = there.nodes.changed.map(({ id, params }) => [
        id,
        params.map((p) => [p.param, p.after, p.before]),
      ]);
      expect(
        back.nodes.changed
          .map(({ id, params }) => [id, params.map((p) => [p.param, p.before, p.after])])
          .sort(),
      ).toEqual(turned.sort());
      expect(isEmpty(there)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }
  });

  it('a thousand nodes take less than a tenth of a second', () => {
    const [a, b] = [anyWorkflow(random(1), 1000), anyWorkflow(random(2), 1000)];
    expect(diff(a, b).nodes.changed.length).toBeGreaterThan(500);
    // The best of several: what else the machine does is not what is measured.
    const times = Array.from({ length: 8 }, () => {
      const [one, two] = [copy(a), copy(b)];
      const start = performance.now();
      diff(one, two);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(100);
  });
});
