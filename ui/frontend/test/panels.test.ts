import { describe, expect, it, vi } from 'vitest';
import DiffPanel from '../src/canvas/panels/DiffPanel.svelte';
import Gallery from '../src/canvas/gallery/Gallery.svelte';
import ProblemsPanel from '../src/canvas/panels/ProblemsPanel.svelte';
import QueuePanel from '../src/canvas/panels/QueuePanel.svelte';
import Welcome from '../src/canvas/templates/Welcome.svelte';
import type { Result } from '../src/core/server/bridge';
import { choose, tiles } from '../src/core/server/gallery';
import type { WorkflowJson } from '../src/core/workflow/types';
import { brief } from '../src/core/workflow/values';
import { click, key, show } from './show';

const result = (id: string, time: number, params: Record<string, unknown>, node = 'save'): Result => ({
  id,
  time,
  node,
  url: `/${id}.png`,
  thumbnail: `/${id}.webp`,
  width: 128,
  height: 96,
  params,
});

// Not in the order of their times.
const results = [
  result('b', 20, { 'prompt.text': 'a cube', 'prior.seed': 2 }),
  result('a', 10, { 'prompt.text': 'a cube', 'prior.seed': 1, 'prior.steps': 5 }),
  result('x', 15, { 'prompt.text': 'other' }, 'other'),
  result('c', 30, { 'prompt.text': 'a cube', 'prior.seed': 2 }),
];

describe('results', () => {
  it('are newest first, each with what differs from the one before of its node', () => {
    expect(tiles(results).map(({ result, index, differs }) => [result.id, index, differs])).toEqual([
      ['c', 3, []],
      [
        'b',
        0,
        [
          ['prior.seed', 2],
          ['prior.steps', undefined],
        ],
      ],
      ['x', 2, null],
      ['a', 1, null],
    ]);
  });

  it('are chosen two at a time', () => {
    expect(choose([], 'a')).toEqual(['a']);
    expect(choose(['a'], 'b')).toEqual(['a', 'b']);
    expect(choose(['a', 'b'], 'c')).toEqual(['b', 'c']);
    expect(choose(['a', 'b'], 'a')).toEqual(['b']);
  });
});

it('values are shown in a few letters', () => {
  expect(brief(undefined)).toBe('default');
  expect(brief(null)).toBe('auto');
  expect(brief('')).toBe('empty');
  expect(brief(true)).toBe('on');
  expect(brief([])).toBe('none');
  expect(brief([0.5, 0.25])).toBe('0.5, 0.25');
  expect(brief(`a\nb  ${'x'.repeat(100)}`, 10)).toBe('a b xxxxx…');
  expect(brief('😀'.repeat(20), 5)).toBe('😀😀😀😀…');
  expect(brief(`sha256:${'ab'.repeat(32)}`)).toBe('picture ababab');
});

describe('the gallery', () => {
  const open = (list: Result[]) => {
    const on = {
      onlook: vi.fn(),
      oncompare: vi.fn(),
      onrecall: vi.fn(),
      onopenresult: vi.fn(),
      onclose: vi.fn(),
    };
    const view = show(Gallery, { results: list, called: (node: string) => node.toUpperCase(), ...on });
    return { ...on, ...view };
  };

  it('says what to do while it is empty', () => {
    expect(open([]).text()).toContain('Press Run');
  });

  it('leads each picture to its place in the list', () => {
    const { all, onlook } = open(results);
    const pictures = all<HTMLImageElement>('img').map((image) => image.getAttribute('src'));
    expect(pictures).toEqual(['/c.webp', '/b.webp', '/x.webp', '/a.webp']);
    click(all('.picture')[1]);
    expect(onlook).toHaveBeenCalledWith(0);
  });

  it('shows hundreds a page at a time', () => {
    const many = Array.from({ length: 100 }, (_, index) => result(`r${index}`, index, {}));
    const { all, button } = open(many);
    expect(all('article')).toHaveLength(40);
    click(button('Show older ones (60)'));
    click(button('Show older ones (20)'));
    expect(all('article')).toHaveLength(100);
    expect(all<HTMLImageElement>('img').at(-1)!.getAttribute('src')).toBe('/r0.webp');
    expect(() => button('Show older ones (0)')).toThrow();
  });

  it('compares two, the older one first', () => {
    const { all, button, oncompare } = open(results);
    const boxes = all<HTMLInputElement>('input[type=checkbox]');
    expect(button('Compare').disabled).toBe(true);
    click(boxes[0]);
    click(boxes[3]);
    expect(button('Compare').disabled).toBe(false);
    click(button('Compare'));
    expect(oncompare).toHaveBeenCalledWith(1, 3);
    click(boxes[1]);
    expect(all<HTMLInputElement>('input[type=checkbox]').map((box) => box.checked)).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  it('gives the params and the workflow of a result', () => {
    const { all, onrecall, onopenresult, text } = open(results);
    const of = (index: number) => [
      ...all('article')[index].querySelectorAll<HTMLButtonElement>('.actions button'),
    ];
    click(of(1)[0]);
    expect(onrecall).toHaveBeenCalledWith(results[0]);
    click(of(3)[1]);
    expect(onopenresult).toHaveBeenCalledWith(results[1]);
    expect(of(0)[0].getAttribute('aria-label')).toMatch(/^Put these params back: SAVE, /);
    expect(text()).toContain('prior.seed 2');
  });
});

describe('the differences', () => {
  const before: WorkflowJson = {
    format: 'kandinsky-workflow',
    version: 1,
    nodes: { a: { type: 'words', params: { text: 'x' } }, gone: { type: 'dice' } },
  };
  const after = {
    ...before,
    nodes: { a: { type: 'words', params: { text: 'y' } }, fresh: { type: 'dice' } },
  };

  it('lead to their nodes, as long as those are there', () => {
    const [onfocus, onclose] = [vi.fn(), vi.fn()];
    const { all, text, button } = show(DiffPanel, { before, after, onfocus, onclose });
    expect(text()).toContain('a.text: x → y');
    expect(text()).toContain('gone removed');
    const lines = all<HTMLButtonElement>('li button');
    expect(lines.map((line) => line.textContent!.replace(/\s/g, ''))).toEqual(['+freshadded', '≠a.text:x→y']);
    click(lines[1]);
    expect(onfocus).toHaveBeenCalledWith('a');
    click(button('Close what differs'));
    expect(onclose).toHaveBeenCalled();
  });

  it('may be none', () => {
    const nothing = () => undefined;
    const { text } = show(DiffPanel, { before, after: before, onfocus: nothing, onclose: nothing });
    expect(text()).toContain('both are the same');
  });
});

describe('the queue', () => {
  it('shows all in order, and cancels only what is one’s own', () => {
    const oncancel = vi.fn();
    const entries = [
      { run: 'r2', name: 'Mine', mine: true, position: 1 },
      { run: '', name: '', mine: false, position: 0 },
      { run: '', name: '', mine: false, position: 2 },
    ];
    const { all } = show(QueuePanel, { entries, oncancel, onclose: () => undefined });
    const rows = all('li').map((row) => row.textContent!.replace(/\s+/g, ' ').trim());
    expect(rows).toEqual(['Somebody else runs now', 'Mine 1 before it Cancel', 'Somebody else 2 before it']);
    const buttons = all<HTMLButtonElement>('li button');
    expect(buttons).toHaveLength(1);
    click(buttons[0]);
    expect(oncancel).toHaveBeenCalledWith('r2');
  });

  it('closes on Esc, and the focus goes back', async () => {
    const onclose = vi.fn();
    const { root } = show(QueuePanel, { entries: [], oncancel: () => undefined, onclose });
    expect(root.activeElement?.textContent).toBe('Queue');
    key(root.activeElement!, 'Escape');
    expect(onclose).toHaveBeenCalled();
  });
});

it('first steps are shown once in a browser', () => {
  localStorage.clear();
  const first = show(Welcome, {});
  expect(first.all('li')).toHaveLength(3);
  click(first.button('Close first steps'));
  expect(first.all('li')).toHaveLength(0);
  expect(show(Welcome, {}).all('li')).toHaveLength(0);
});

describe('problems', () => {
  const missing = { node: 'load', message: 'checkpoint a/b is not on this machine', fetch: '3.7 GB' };
  const other = { node: 'mix', message: 'the input is not linked' };

  it('say how large a download is, and offer it once to who may agree', () => {
    const onfetch = vi.fn();
    const handlers = { onpick: vi.fn(), onclose: vi.fn() };
    const { text, button } = show(ProblemsPanel, { problems: [missing, missing], onfetch, ...handlers });
    expect(text()).toContain('not on this machine; it is a download of 3.7 GB');
    click(button('Fetch what is missing and run'));
    expect(onfetch).toHaveBeenCalledOnce();
  });

  it('offer nothing where it would not help, or nobody may agree', () => {
    const handlers = { onpick: vi.fn(), onclose: vi.fn() };
    const { text: plain } = show(ProblemsPanel, { problems: [other], onfetch: vi.fn(), ...handlers });
    expect(plain()).not.toContain('Fetch');
    const { text: remote } = show(ProblemsPanel, { problems: [missing], ...handlers });
    expect(remote()).not.toContain('Fetch');
  });
});
