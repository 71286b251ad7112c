import { describe, expect, it, vi } from 'vitest';
import Conflict from '../src/canvas/workflows/Conflict.svelte';
import Workflows from '../src/canvas/workflows/Workflows.svelte';
import { BridgeError, type SavedWorkflow } from '../src/core/server/bridge';
import { nameFrom, nameProblem } from '../src/core/workflow/names';
import type { WorkflowJson } from '../src/core/workflow/types';
import { moment, when } from '../src/core/view/when';
import { click, key, settled, show, write } from './show';

describe('names', () => {
  it('are letters of any alphabet, digits, spaces, - and _', () => {
    for (const good of ['A', 'Композиция 8', 'over-view_2', 'x'.repeat(80)])
      expect(nameProblem(good)).toBe(null);
    expect(nameProblem('  ')).toMatch('needs a name');
    expect(nameProblem('../up')).toMatch('“.” cannot be in a name');
    expect(nameProblem('a/b')).toMatch('“/” cannot');
    expect(nameProblem(' a')).toMatch('begin or end');
    expect(nameProblem('x'.repeat(81))).toMatch('at most 80');
  });

  it('can be made of any title', () => {
    expect(nameFrom('Text to image', [])).toBe('Text to image');
    expect(nameFrom('Text to image', ['Text to image', 'Text to image 2'])).toBe('Text to image 3');
    for (const title of ['', '../..', '  a//b  ', 'x'.repeat(300), '😀']) {
      expect(nameProblem(nameFrom(title, ['Workflow']))).toBe(null);
    }
  });
});

it('moments are said as people say them', () => {
  const at = (...parts: [number, number, number, number, number]) => new Date(...parts).getTime() / 1000;
  const now = at(2026, 10, 25, 14, 30);
  expect(when(now - 20, now)).toBe('just now');
  expect(when(now + 5, now)).toBe('just now');
  expect(when(now - 300, now)).toBe('5 min ago');
  expect(when(at(2026, 10, 25, 9, 5), now)).toBe('today 09:05');
  expect(when(at(2026, 10, 24, 23, 59), now)).toBe('yesterday 23:59');
  expect(when(at(2026, 0, 2, 3, 4), now)).toBe('2 Jan 03:04');
  expect(when(at(2025, 11, 31, 3, 4), now)).toBe('31 Dec 2025');
  expect(moment(at(2026, 0, 2, 3, 4))).toBe('2 Jan 2026 03:04');
});

const workflow = (title: string): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  name: title,
  nodes: {},
});

function server() {
  const files = new Map<string, SavedWorkflow>();
  const add = (name: string, modified: number) =>
    files.set(name, { name, modified, revision: `r-${name}`, description: '', nodes: 3, thumbnail: '' });
  add('Old one', 1000);
  add('New one', 2000);
  const bridge = {
    list: vi.fn(async () => [...files.values()]),
    load: vi.fn(async (name: string) => ({ workflow: workflow(name), revision: `r-${name}`, base: '' })),
    save: vi.fn(async (name: string) => {
      if (files.has(name)) return { status: 'conflict' as const, revision: 'r', modified: 1 };
      add(name, 3000);
      return { status: 'saved' as const, revision: `r-${name}` };
    }),
    remove: vi.fn(async (name: string) => void files.delete(name)),
    versions: vi.fn(async () => [
      { id: 'a', time: 100, nodes: 2, summary: 'seed 1 → 2' },
      { id: 'b', time: 200, nodes: 3, summary: '' },
    ]),
    version: vi.fn(async (_name: string, id: string) => workflow(`version ${id}`)),
  };
  return { files, bridge };
}

async function open(over: { current?: string | null; start?: 'open' | 'save' } = {}) {
  const { files, bridge } = server();
  const on = {
    onopen: vi.fn(),
    onsave: vi.fn(),
    onrenamed: vi.fn(),
    onlook: vi.fn(),
    oncompare: vi.fn(),
    onrestore: vi.fn(),
    onclose: vi.fn(),
  };
  const view = show(Workflows, { bridge, current: null, suggested: 'A title', ...on, ...over });
  await settled();
  const row = (name: string) =>
    view.all('li').find((item) => item.querySelector('.name')?.textContent?.startsWith(name))!;
  const within = (name: string, label: string) =>
    [...row(name).querySelectorAll('button')].find((one) => one.textContent!.trim() === label)!;
  return { files, bridge, ...on, ...view, row, within };
}

describe('saved workflows', () => {
  it('are listed, newest first, and found by name', async () => {
    const { all, one, text } = await open();
    expect(all('.name').map((name) => name.textContent)).toEqual(['New one', 'Old one']);
    write(one<HTMLInputElement>('input[type=search]'), 'old');
    expect(all('.name').map((name) => name.textContent)).toEqual(['Old one']);
    write(one<HTMLInputElement>('input[type=search]'), 'zebra');
    expect(text()).toContain('No workflow has “zebra” in it.');
  });

  it('open by a click', async () => {
    const { row, onopen } = await open();
    click(row('Old one').querySelector('.open')!);
    expect(onopen).toHaveBeenCalledWith('Old one');
  });

  it('say what went wrong instead of being empty', async () => {
    const bridge = { ...server().bridge, list: () => Promise.reject(new BridgeError('The disk is full.')) };
    const nothing = () => undefined;
    const { one, text } = show(Workflows, {
      bridge,
      current: null,
      suggested: '',
      onopen: nothing,
      onsave: nothing,
      onrenamed: nothing,
      onlook: nothing,
      oncompare: nothing,
      onrestore: nothing,
      onclose: nothing,
    });
    await settled();
    expect(one('[role=alert]').textContent).toBe('The disk is full.');
    expect(text()).not.toContain('Nothing is saved yet');
  });
});

describe('saving', () => {
  it('starts at the name, which is free', async () => {
    const { root, one, button, onsave } = await open({ start: 'save' });
    const field = one<HTMLInputElement>('input[aria-label="Name to save under"]');
    expect(root.activeElement).toBe(field);
    expect(field.value).toBe('A title');
    click(button('Save'));
    expect(onsave).toHaveBeenCalledWith('A title', false);
  });

  it('refuses a wrong name in words, once it was tried', async () => {
    const { one, button, text, onsave } = await open({ start: 'save' });
    const field = one<HTMLInputElement>('input[aria-label="Name to save under"]');
    write(field, 'a/b');
    expect(text()).not.toContain('cannot be in a name');
    click(button('Save'));
    expect(text()).toContain('“/” cannot be in a name');
    expect(field.getAttribute('aria-invalid')).toBe('true');
    expect(onsave).not.toHaveBeenCalled();
  });

  it('replaces another workflow only when told so', async () => {
    const { one, button, text, onsave } = await open({ start: 'save', current: 'New one' });
    write(one<HTMLInputElement>('input[aria-label="Name to save under"]'), 'Old one');
    click(button('Save'));
    expect(onsave).not.toHaveBeenCalled();
    expect(text()).toContain('There is a workflow of this name.');
    click(button('Replace it'));
    expect(onsave).toHaveBeenCalledWith('Old one', true);
  });

  it('under its own name is no replacing', async () => {
    const { button, onsave } = await open({ start: 'save', current: 'New one' });
    click(button('Save'));
    expect(onsave).toHaveBeenCalledWith('New one', false);
  });
});

describe('renaming', () => {
  it('saves under the new name, then removes the old; the canvas follows', async () => {
    const { files, within, one, row, bridge, onrenamed, root } = await open({ current: 'Old one' });
    click(within('Old one', 'Rename'));
    write(one<HTMLInputElement>('input[aria-label="New name for Old one"]'), 'Better');
    click([...row('Old one').querySelectorAll<HTMLElement>('button[type=submit]')][0]);
    await settled();
    expect(root.activeElement?.textContent).toBe('Workflows');
    expect([...files.keys()]).toEqual(['New one', 'Better']);
    expect(bridge.save).toHaveBeenCalledWith('Better', workflow('Old one'), null);
    expect(onrenamed).toHaveBeenCalledWith('Better', 'r-Better');
    expect(row('Better')).toBeTruthy();
  });

  it('to a name that somebody took in the meantime loses nothing', async () => {
    const { files, within, one, row, text, bridge } = await open();
    click(within('Old one', 'Rename'));
    const field = one<HTMLInputElement>('input[aria-label="New name for Old one"]');
    write(field, 'New one');
    key(field, 'Enter');
    field.form!.dispatchEvent(new Event('submit', { cancelable: true }));
    await settled();
    expect(text()).toContain('There is a workflow of this name.');
    expect(bridge.save).not.toHaveBeenCalled();
    bridge.save.mockResolvedValueOnce({ status: 'conflict', revision: 'r', modified: 1 });
    write(field, 'Third');
    click(row('Old one').querySelector<HTMLElement>('button[type=submit]')!);
    await settled();
    expect(one('[role=alert]').textContent).toBe('There is a workflow called “Third” already.');
    expect(bridge.remove).not.toHaveBeenCalled();
    expect([...files.keys()]).toEqual(['Old one', 'New one']);
  });
});

it('deleting asks first', async () => {
  const { files, within, button } = await open();
  click(within('Old one', 'Delete'));
  expect(files.has('Old one')).toBe(true);
  click(button('Keep it'));
  click(within('Old one', 'Delete'));
  click(button('Delete it'));
  await settled();
  expect([...files.keys()]).toEqual(['New one']);
});

describe('versions', () => {
  it('are listed newest first, and given to who asks', async () => {
    const { within, row, all, onlook, oncompare, onrestore } = await open({ current: 'Old one' });
    click(within('Old one', 'Versions'));
    await settled();
    expect(all('.summary').map((summary) => summary.textContent)).toEqual(['3 nodes', 'seed 1 → 2']);
    const press = async (label: string) => {
      click(within('Old one', label));
      await settled();
    };
    await press('Look');
    expect(onlook).toHaveBeenCalledWith(workflow('version b'), expect.stringContaining('Old one, '));
    await press('Compare');
    expect(oncompare).toHaveBeenCalledWith(workflow('version b'), expect.any(String));
    await press('Bring back');
    expect(onrestore).toHaveBeenCalledWith(workflow('version b'), expect.any(String));
    expect(row('Old one').textContent).toContain('on the canvas');
  });

  it('of another workflow than that on the canvas can only be looked at', async () => {
    const { within } = await open();
    click(within('Old one', 'Versions'));
    await settled();
    expect(within('Old one', 'Look')).toBeTruthy();
    expect(within('Old one', 'Bring back')).toBeUndefined();
  });

  it('that cannot be fetched say so', async () => {
    const { within, one, bridge, onlook } = await open();
    click(within('Old one', 'Versions'));
    await settled();
    bridge.version.mockRejectedValueOnce(new BridgeError('This version is gone.'));
    click(within('Old one', 'Look'));
    await settled();
    expect(one('[role=alert]').textContent).toBe('This version is gone.');
    expect(onlook).not.toHaveBeenCalled();
  });
});

it('a conflict leaves every way open', () => {
  const on = {
    oncompare: vi.fn(),
    onsaveas: vi.fn(),
    onoverwrite: vi.fn(),
    onreload: vi.fn(),
    onclose: vi.fn(),
  };
  const { one, button, text, root } = show(Conflict, {
    name: 'Old one',
    modified: Date.now() / 1000 - 120,
    ...on,
  });
  expect(text()).toContain('“Old one” was saved in another tab or by somebody else (2 min ago)');
  expect(root.activeElement).toBe(button('Compare'));
  click(button('Compare'));
  click(button('Save yours over theirs'));
  click(button('Open theirs'));
  expect([on.oncompare, on.onoverwrite, on.onreload].map((call) => call.mock.calls.length)).toEqual([
    1, 1, 1,
  ]);
  expect(one<HTMLInputElement>('input').value).toBe('Old one 2');
  click(button('Save yours under this name'));
  expect(on.onsaveas).toHaveBeenCalledWith('Old one 2');
});
