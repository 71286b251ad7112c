import { describe, expect, it } from 'vitest';
import { isWorkflow } from '../../../src/core/view/clipboard';
import { removeNodes } from '../../../src/core/workflow/edits';
import { measure } from '../../../src/core/layout/geometry';
import { layOut } from '../../../src/core/layout/layout';
import { allWires } from '../../../src/core/workflow/links';
import { sane } from '../../../src/core/workflow/sane';
import { showDiff } from '../../../src/core/view/shown';
import { sceneOf } from '../../../src/canvas/far/draw';
import type { WorkflowJson } from '../../../src/core/workflow/types';
import { catalogue } from '../../catalogue-for-tests';

const good = {
  format: 'kandinsky-workflow',
  version: 1,
  nodes: {
    words: { type: 'words', params: { text: 'cube' }, ui: { position: [0, 0], title: 'Words' } },
    mix: {
      type: 'mix',
      inputs: { embeds: ['words.embeds', { from: 'words.embeds', ui: { route: [[1, 2]] } }] },
    },
  },
  interface: { inputs: { text: 'words.text', more: { targets: ['words.text'], title: 'T' } }, outputs: {} },
  ui: { groups: [{ id: 'g', title: 'G', colour: '#fff', box: [0, 0, 10, 10] }], other: { kept: true } },
};

const ODD: unknown[] = [
  null,
  0,
  -1,
  'text',
  '',
  true,
  [],
  [null],
  [1, 'a'],
  {},
  { from: 1 },
  { a: null },
  [[]],
];

/** Every state of the good workflow in which one place holds something odd. */
function* spoiled(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    const put = (odd: unknown) =>
      Array.isArray(value)
        ? value.map((item, index) => (String(index) === key ? odd : item))
        : { ...value, [key]: odd };
    for (const odd of ODD) yield put(odd);
    for (const inner of spoiled((value as Record<string, unknown>)[key])) yield put(inner);
  }
}

describe('a file from anywhere', () => {
  it('is left as it is where nothing is wrong', () => {
    const { workflow, dropped } = sane(good as unknown as WorkflowJson);
    expect(dropped).toEqual([]);
    expect(workflow).toBe(good);
  });

  it('can be drawn and edited whatever one of its places holds', () => {
    let tried = 0;
    for (const odd of spoiled(good)) {
      if (!isWorkflow(odd)) continue;
      tried++;
      const { workflow } = sane(odd);
      for (const node of Object.values(workflow.nodes)) measure(node, catalogue);
      allWires(workflow);
      sceneOf(workflow, catalogue);
      layOut(workflow, catalogue, Object.keys(workflow.nodes));
      showDiff(good as unknown as WorkflowJson, workflow);
      removeNodes(workflow, catalogue, new Set(['words']));
    }
    expect(tried).toBeGreaterThan(300);
  });

  it('says what was left out', () => {
    const odd = structuredClone(good) as unknown as WorkflowJson;
    odd.nodes.words.ui = { position: ['a', 1] as never };
    odd.nodes.mix.inputs = { embeds: [null as never, 'words.embeds'] };
    const { workflow, dropped } = sane(odd);
    expect(dropped).toEqual(['node words: ui.position', 'node mix: inputs.embeds']);
    expect(workflow.nodes.mix.inputs).toEqual({ embeds: ['words.embeds'] });
    expect(workflow.ui?.other).toEqual({ kept: true });
  });
});
