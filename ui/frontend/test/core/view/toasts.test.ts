import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import ToastsView from '../../../src/canvas/toasts/Toasts.svelte';
import { Toasts } from '../../../src/core/view/toasts.svelte';
import { click, show } from '../../show';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('messages', () => {
  it('are four at most: the oldest goes, errors last', () => {
    const toasts = new Toasts();
    toasts.say('an error', 'error');
    for (const text of ['one', 'two', 'three', 'four']) toasts.say(text);
    expect(toasts.list.map((toast) => toast.text)).toEqual(['an error', 'two', 'three', 'four']);
    for (const text of ['e1', 'e2', 'e3', 'e4']) toasts.say(text, 'error');
    expect(toasts.list.map((toast) => toast.text)).toEqual(['e1', 'e2', 'e3', 'e4']);
    toasts.say('news');
    expect(toasts.list.map((toast) => toast.text)).toEqual(['e2', 'e3', 'e4', 'news']);
  });

  it('are not shown twice', () => {
    const toasts = new Toasts();
    toasts.say('again', 'error');
    toasts.say('other');
    toasts.say('again', 'error');
    expect(toasts.list.map(({ text, times }) => [text, times])).toEqual([
      ['other', 1],
      ['again', 2],
    ]);
  });

  it('go by themselves, errors stay until they are closed', () => {
    const toasts = new Toasts();
    const { text, button } = show(ToastsView, { toasts });
    toasts.say('Saved.');
    toasts.say('No room left.', 'error', 'ENOSPC');
    flushSync();
    expect(text()).toContain('Saved.');
    vi.advanceTimersByTime(20_000);
    flushSync();
    expect(text()).not.toContain('Saved.');
    expect(text()).toContain('No room left.');
    expect(text()).toContain('ENOSPC');
    click(button('Close message'));
    expect(toasts.list).toEqual([]);
  });

  it('stay while somebody points at them', () => {
    const toasts = new Toasts();
    const { one } = show(ToastsView, { toasts });
    toasts.say('Saved.');
    flushSync();
    one('.toast').dispatchEvent(new Event('focusin', { bubbles: true }));
    flushSync();
    vi.advanceTimersByTime(20_000);
    expect(toasts.list).toHaveLength(1);
    one('.toast').dispatchEvent(new Event('focusout', { bubbles: true }));
    flushSync();
    vi.advanceTimersByTime(20_000);
    expect(toasts.list).toHaveLength(0);
  });

  it('are read out, and not as markup', () => {
    const toasts = new Toasts();
    const { one } = show(ToastsView, { toasts });
    expect(one('[aria-live="polite"]')).toBeTruthy();
    toasts.say('<img src=x onerror=alert(1)>', 'error');
    flushSync();
    expect(one('p').textContent).toContain('<img');
  });
});
