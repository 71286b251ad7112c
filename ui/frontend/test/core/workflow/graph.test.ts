import { describe, expect, it } from 'vitest';
import { copy, paste, readPaste } from '../../../src/core/view/clipboard';
import { measure, rowsOf, handlesOf, boundsOf } from '../../../src/core/layout/geometry';
import { History } from '../../../src/core/workflow/history';
import { align, distribute, layOut } from '../../../src/core/layout/layout';
import { rank } from '../../../src/core/view/rank';
import { rollSeeds } from '../../../src/core/view/seeds';
import { showDiff } from '../../../src/core/view/shown';
import { staleSince } from '../../../src/core/view/stale';
import { setParam, setUi } from '../../../src/core/workflow/edits';
import { curves, placeInRoute, pointAt, svgPath } from '../../../src/canvas/wires/path';
import type { NodeJson, WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const workflow = (nodes: Record<string, NodeJson>): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  nodes,
});

const flow = workflow({
  words: { type: 'words', params: { text: 'cube' }, ui: { position: [0, 0] } },
  paint: { type: 'paint', inputs: { embeds: 'words.embeds' }, ui: { position: [400, 50] } },
  show: { type: 'show', inputs: { image: 'paint.image' }, ui: { position: [800, 70] } },
});

describe('undo', () => {
  it('goes back and forth over more than a hundred steps', () => {
    const history = new History({ state: 0, label: '' });
    for (let step = 1; step <= 150; step++) history.push(step, `step ${step}`);
    expect(history.undoable).toBe('step 150');
    for (let step = 149; step >= 0; step--) expect(history.undo()).toBe(step);
    expect(history.undo()).toBeNull();
    for (let step = 1; step <= 150; step++) expect(history.redo()).toBe(step);
    expect(history.redo()).toBeNull();
  });

  it('takes what was typed in one go as one step, until the field is left', () => {
    const history = new History({ state: '', label: '' });
    history.push('a', 'type', 'field');
    history.push('ab', 'type', 'field');
    history.settle();
    history.push('abc', 'type', 'field');
    expect(history.undo()).toBe('ab');
    expect(history.undo()).toBe('');
  });

  it('forgets what was undone after a new edit', () => {
    const history = new History({ state: 0, label: '' });
    history.push(1, 'one');
    history.undo();
    history.push(2, 'two');
    expect(history.redoable).toBeNull();
    expect(history.undo()).toBe(0);
  });
});

describe('the clipboard', () => {
  it('keeps the wires among what is copied and no others', () => {
    const part = readPaste(copy(flow, catalogue, new Set(['paint', 'show'])))!;
    expect(part.nodes.paint.inputs).toBeUndefined();
    const { workflow: pasted, ids } = paste(flow, catalogue, part, { shift: [40, 40] });
    expect(ids).toEqual(['paint_2', 'show_2']);
    expect(pasted.nodes.show_2.inputs).toEqual({ image: 'paint_2.image' });
    expect(pasted.nodes.paint_2.ui?.position).toEqual([440, 90]);
    expect(pasted.nodes.paint).toBe(flow.nodes.paint);
  });

  it('puts the middle of what is pasted where the pointer is', () => {
    const { workflow: pasted, ids } = paste(workflow({}), catalogue, flow, { at: [1000, 1000] });
    const box = boundsOf(pasted, catalogue, ids)!;
    expect(Math.abs(box.x + box.width / 2 - 1000)).toBeLessThanOrEqual(1);
    expect(Math.abs(box.y + box.height / 2 - 1000)).toBeLessThanOrEqual(1);
  });

  it('takes no text for nodes that is none', () => {
    expect(readPaste('a red cube')).toBeNull();
    expect(readPaste('{"format": "kandinsky-workflow"}')).toBeNull();
    expect(readPaste('{"format": "kandinsky-workflow", "nodes": {"a": 1}}')).toBeNull();
    expect(readPaste('kandinsky-workflow {')).toBeNull();
  });
});

describe('geometry', () => {
  it('has a place for every handle of every row', () => {
    for (const node of Object.values(flow.nodes)) {
      const rows = rowsOf(catalogue.node(node.type)!, node);
      const { places, height } = measure(node, catalogue);
      expect(places.map(({ id }) => id)).toEqual(rows.flatMap(handlesOf).map(([, id]) => id));
      expect(height).toBeGreaterThan(rows.reduce((sum, row) => sum + row.height, 0));
    }
  });

  it('gives a list port one place more than it has wires', () => {
    const node: NodeJson = { type: 'mix', inputs: { embeds: ['words.embeds', 'words.embeds'] } };
    const slots = measure(node, catalogue).places.filter(({ type }) => type === 'target');
    expect(slots.map(({ id }) => id)).toEqual(['embeds#0', 'embeds#1', 'embeds#2']);
  });

  it('knows a size for a node of an unknown type', () => {
    const { places } = measure(
      { type: 'x/y', inputs: { a: 'words.embeds', b: ['words.embeds'] } },
      catalogue,
    );
    expect(places.map(({ id }) => id)).toEqual(['a', 'b#0']);
  });
});

describe('layout', () => {
  it('puts nodes from left to right along their wires, without overlap', () => {
    const places = layOut(flow, catalogue, Object.keys(flow.nodes));
    const xs = ['words', 'paint', 'show'].map((id) => places.get(id)![0]);
    expect(xs[1]).toBeGreaterThanOrEqual(xs[0] + 260);
    expect(xs[2]).toBeGreaterThanOrEqual(xs[1] + 260);
    expect(Math.min(...xs)).toBe(0);
  });

  it('aligns sides and spreads gaps', () => {
    const ids = Object.keys(flow.nodes);
    expect([...align(flow, catalogue, ids, 'top').values()].map(([, y]) => y)).toEqual([0, 0, 0]);
    const rights = [...align(flow, catalogue, ids, 'right').values()].map(([x]) => x);
    expect(rights).toEqual([800, 800, 800]);
    const uneven = setUi(flow, 'paint', { position: [300, 50] });
    expect(distribute(uneven, catalogue, ids, 'across').get('paint')![0]).toBe(400);
    expect(distribute(flow, catalogue, ids.slice(0, 2), 'across').size).toBe(0);
  });
});

describe('what became stale', () => {
  it('is what was edited and all that depends on it', () => {
    const edited = setParam(flow, 'paint', 'seed', 5);
    expect([...staleSince(flow, edited)].sort()).toEqual(['paint', 'show']);
  });

  it('is nothing when only looks change, or when a value is back', () => {
    expect(staleSince(flow, setUi(flow, 'words', { collapsed: true })).size).toBe(0);
    const there = setParam(flow, 'words', 'text', 'sphere');
    expect(staleSince(flow, setParam(there, 'words', 'text', 'cube')).size).toBe(0);
  });
});

describe('the difference on the canvas', () => {
  it('shows both states in one picture', () => {
    const { show: _, ...rest } = flow.nodes;
    const now = setParam({ ...flow, nodes: { ...rest, dice: { type: 'dice' } } }, 'words', 'text', 'sphere');
    const shown = showDiff(flow, now);
    expect(Object.fromEntries(shown.nodes)).toEqual({ dice: 'added', show: 'removed', words: 'changed' });
    expect(Object.keys(shown.merged.nodes)).toEqual(['words', 'paint', 'dice', 'show']);
    expect([...shown.wires.values()]).toEqual(['removed']);
  });
});

describe('seeds', () => {
  const seeded = workflow({
    a: { type: 'roll', params: { seed: 3 } },
    b: { type: 'roll', params: { seed: 3 } },
    c: { type: 'roll', params: { seed: 4 }, ui: { locked: ['seed'] } },
  });
  const known = {
    node: () => ({ params: [{ name: 'seed', widget: 'seed', default: 0 }] }),
  } as unknown as typeof catalogue;

  it('that were equal roll together; locked ones stay', () => {
    let next = 100;
    const rolled = rollSeeds(seeded, known, () => next++);
    expect(Object.values(rolled.nodes).map((node) => node.params?.seed)).toEqual([100, 100, 4]);
  });
});

describe('search', () => {
  const names = ['Prior', 'Load prior', 'UNet denoise', 'Prior from image'];
  const find = (text: string) => rank(names, text, (name) => [name]);

  it('puts whole and early finds first', () => {
    expect(find('prior')).toEqual(['Prior', 'Prior from image', 'Load prior']);
    expect(find('den')).toEqual(['UNet denoise']);
    expect(find('prior image')).toEqual(['Prior from image']);
    expect(find('')).toEqual(names);
    expect(find('zebra')).toEqual([]);
  });

  it('forgives letters that are left out', () => {
    expect(find('dnoise')).toEqual(['UNet denoise']);
  });
});

describe('the line of a wire', () => {
  it('begins and ends at its ports and runs through its route', () => {
    expect(svgPath([0, 0], [100, 50])).toBe('M0,0 C50,0 50,50 100,50');
    expect(curves([0, 0], [100, 0], [[50, 40]]).map(([, , last]) => last)).toEqual([
      [50, 40],
      [100, 0],
    ]);
    expect(pointAt([0, 0], [100, 0], [[50, 40]], 0.5)).toEqual([50, 40]);
    expect(pointAt([0, 0], [100, 50], [], 1)).toEqual([100, 50]);
  });

  it('takes a new point into the stretch that is nearest', () => {
    const route: [number, number][] = [[100, 100]];
    expect(placeInRoute([0, 0], [200, 0], route, [20, 20])).toBe(0);
    expect(placeInRoute([0, 0], [200, 0], route, [180, 20])).toBe(1);
  });
});
