import { beforeEach, describe, expect, it, vi } from 'vitest';
import FileMenu from '../src/canvas/menus/FileMenu.svelte';
import { Session } from '../src/canvas/state/session.svelte';
import type { Bridge, Hello } from '../src/core/server/bridge';
import { forgetAll, onLogout } from '../src/core/server/kept';
import type { WorkflowJson } from '../src/core/workflow/types';
import { click, show } from './show';

const workflow = (name: string): WorkflowJson => ({
  format: 'kandinsky-workflow',
  version: 1,
  name,
  nodes: {},
});

function session(user: string | null, bridge: Partial<Bridge> = {}): Session {
  const catalogue = { types: {}, nodes: {} };
  const hello: Hello = { catalogue, templates: [], user, version: '1', devices: [], downloads: false };
  return new Session(bridge as Bridge, hello);
}

/** A page on which somebody opens a workflow, which the browser keeps. */
function kept(user: string | null, name: string, bridge: Partial<Bridge> = {}): Session {
  const made = session(user, bridge);
  made.file.open(workflow(name), { base: '' });
  made.file.keep();
  return made;
}

const stored = () => JSON.stringify({ ...localStorage, ...sessionStorage });

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

describe('what the browser keeps', () => {
  it.each([
    ['anna', 'anna', true],
    [null, null, true],
    ['anna', 'bert', false],
    ['anna', null, false],
    [null, 'anna', false],
  ])('of %s, is shown to %s: %s', (first, second, shown) => {
    kept(first, 'secret');
    const { file, editor } = session(second);
    expect(file.restore()).toBe(shown);
    expect(editor.workflow.name === 'secret').toBe(shown);
    expect(stored().includes('secret')).toBe(shown);
  });

  it('is kept on a page that came over plain http, too', () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    kept(null, 'mine');
    vi.unstubAllGlobals();
    expect(session(null).file.restore()).toBe(true);
  });

  it('goes, and nothing else does', () => {
    kept('anna', 'secret');
    localStorage.setItem('of another page', 'stays');
    forgetAll();
    expect(Object.keys(localStorage)).toEqual(['of another page']);
    expect(Object.keys(sessionStorage)).toEqual([]);
  });
});

describe('logging out', () => {
  it('ends the login, then forgets the person, here and in the other tabs', async () => {
    const logOut = vi.fn(() => Promise.resolve());
    const anna = kept('anna', 'secret', { logOut });
    const heard = new Promise<void>((resolve) => {
      const end = onLogout(() => {
        end();
        resolve();
      });
    });
    expect(await anna.logOut()).toBe(true);
    expect(logOut).toHaveBeenCalledOnce();
    anna.file.keep(); // as the page does when it goes
    expect(stored()).toBe('{}');
    await heard;
  });

  it('says what went wrong, and keeps everything', async () => {
    const anna = kept('anna', 'secret', { logOut: () => Promise.reject(new Error('no connection')) });
    expect(await anna.logOut()).toBe(false);
    expect(stored()).toContain('secret');
    expect(anna.toasts.list[0]?.text).toMatch('no connection');
  });

  it('is in the menu of who is logged in', () => {
    const act = vi.fn();
    const props = { at: { x: 0, y: 0 }, minimap: false, snap: false, carried: '', act, onclose: vi.fn() };
    const { button, text } = show(FileMenu, { ...props, user: 'anna' });
    expect(text()).toContain('You are anna.');
    click(button('Log out'));
    expect(act).toHaveBeenCalledWith('log-out');
    expect(show(FileMenu, { ...props, user: null }).text()).not.toContain('Log out');
  });
});
