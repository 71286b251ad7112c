import { afterEach, describe, expect, it } from 'vitest';
import { SHORTCUTS, caps, chord, matches, pressed, type ShortcutId } from '../../../src/core/view/shortcuts';
import Shortcuts from '../../../src/canvas/dialogs/Shortcuts.svelte';
import { show } from '../../show';

afterEach(() => document.body.replaceChildren());

const find = (id: ShortcutId) => SHORTCUTS.find((one) => one.id === id)!;

/** A key stroke that fell on `where`, as its listener sees it. */
function stroke(init: KeyboardEventInit, where: Element = document.body) {
  let answer: ShortcutId | null = null;
  const listen = (event: Event) => (answer = pressed(event as KeyboardEvent));
  document.addEventListener('keydown', listen);
  where.dispatchEvent(new KeyboardEvent('keydown', { ...init, bubbles: true, composed: true }));
  document.removeEventListener('keydown', listen);
  return answer;
}

function within(html: string): Element {
  document.body.innerHTML = html;
  return document.querySelector('[data-here]')!;
}

describe('the table', () => {
  it('gives every id and every key once', () => {
    const ids = SHORTCUTS.map((one) => one.id);
    const keys = SHORTCUTS.flatMap((one) => [...one.keys]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('finds each by its own keys, and nothing else by them', () => {
    for (const shortcut of SHORTCUTS) {
      for (const keys of shortcut.keys) {
        const { ctrl, shift, alt, key } = chord(keys);
        const event = new KeyboardEvent('keydown', {
          key: key === 'Space' ? ' ' : key.length === 1 && !shift ? key.toLowerCase() : key,
          ctrlKey: ctrl,
          shiftKey: shift,
          altKey: alt,
        });
        expect(SHORTCUTS.filter((one) => matches(event, one)).map((one) => one.id)).toEqual([shortcut.id]);
      }
    }
  });
});

describe('a key stroke', () => {
  it('is Ctrl or Command', () => {
    expect(stroke({ key: 's', ctrlKey: true })).toBe('save');
    expect(stroke({ key: 's', metaKey: true })).toBe('save');
    expect(stroke({ key: 'S', ctrlKey: true, shiftKey: true })).toBe('save-as');
  });

  it('is found on a layout without Latin letters, and by what a Latin one writes', () => {
    expect(stroke({ key: 'ы', code: 'KeyS', ctrlKey: true })).toBe('save');
    expect(stroke({ key: '˙', code: 'KeyH', altKey: true })).toBe('distribute-across');
    expect(stroke({ key: 'm', code: 'KeyS' })).toBe('mute');
    expect(stroke({ key: 'x', code: 'KeyM' })).toBe(null);
  });

  it('finds symbols with and without Shift, and digits where Shift writes something else', () => {
    expect(stroke({ key: '?', shiftKey: true })).toBe('shortcuts');
    expect(stroke({ key: '+', shiftKey: true })).toBe('zoom-in');
    expect(stroke({ key: '+', code: 'NumpadAdd' })).toBe('zoom-in');
    expect(stroke({ key: '!', code: 'Digit1', shiftKey: true })).toBe('fit');
    expect(stroke({ key: '0', code: 'Numpad0' })).toBe('zoom-100');
  });

  it('means something else with Shift or Alt', () => {
    expect(stroke({ key: 'f' })).toBe('fit');
    expect(stroke({ key: 'F', shiftKey: true })).toBe('fullscreen');
    expect(stroke({ key: 'ArrowLeft', altKey: true })).toBe('align-left');
    expect(stroke({ key: 'n', altKey: true })).toBe('new');
    expect(stroke({ key: 'n' })).toBe('note');
  });

  it('is left to what does it by itself', () => {
    expect(stroke({ key: 'Tab' })).toBe(null);
    expect(stroke({ key: 'c', ctrlKey: true })).toBe(null);
    expect(stroke({ key: 'ArrowLeft' })).toBe(null);
  });

  it('writes text in a field, unless it is a command to the whole page', () => {
    const field = within('<textarea data-here></textarea>');
    expect(stroke({ key: 'm' }, field)).toBe(null);
    expect(stroke({ key: 'Backspace' }, field)).toBe(null);
    expect(stroke({ key: 'a', ctrlKey: true }, field)).toBe(null);
    expect(stroke({ key: 'z', ctrlKey: true }, field)).toBe(null);
    expect(stroke({ key: 'Enter', ctrlKey: true }, field)).toBe('run');
    expect(stroke({ key: 's', ctrlKey: true }, field)).toBe('save');
  });

  it('is heard through a shadow root as well', () => {
    const host = within('<div data-here></div>');
    host.attachShadow({ mode: 'open' }).innerHTML = '<input />';
    expect(stroke({ key: 'm' }, host.shadowRoot!.querySelector('input')!)).toBe(null);
    expect(stroke({ key: 'm' }, host)).toBe('mute');
  });

  it('presses a focused button rather than opening the search', () => {
    const button = within('<button data-here>Run</button>');
    expect(stroke({ key: ' ' }, button)).toBe(null);
    expect(stroke({ key: 'a' }, button)).toBe('add-node');
    const box = within('<input type="checkbox" data-here />');
    expect(stroke({ key: ' ' }, box)).toBe(null);
    expect(stroke({ key: 'm' }, box)).toBe('mute');
  });

  it('belongs to an open dialog, to an input method, or to who has taken it', () => {
    const inside = within('<dialog open><p data-here></p></dialog>');
    expect(stroke({ key: 's', ctrlKey: true }, inside)).toBe(null);
    expect(stroke({ key: 'm', isComposing: true })).toBe(null);
    const taken = within('<p data-here></p>');
    taken.addEventListener('keydown', (event) => event.preventDefault());
    let answer: ShortcutId | null = 'run';
    document.body.addEventListener('keydown', (event) => (answer = pressed(event)), { once: true });
    taken.dispatchEvent(new KeyboardEvent('keydown', { key: 'm', bubbles: true, cancelable: true }));
    expect(answer).toBe(null);
  });
});

it('shows key caps as the machine names them', () => {
  expect(caps('Ctrl+Shift+Z', false)).toEqual(['Ctrl', 'Shift', 'Z']);
  expect(caps('Ctrl+Shift+Z', true)).toEqual(['⌘', '⇧', 'Z']);
  expect(caps('Alt+ArrowLeft', false)).toEqual(['Alt', '←']);
  expect(caps('+', false)).toEqual(['+']);
  expect(caps(find('cancel').keys[0], false)).toEqual(['Ctrl', '.']);
});

it('are all on the sheet, under what they do', () => {
  const { all } = show(Shortcuts, { onclose: () => undefined });
  expect(all('dt').map((term) => term.textContent)).toEqual(
    expect.arrayContaining(SHORTCUTS.map((shortcut) => shortcut.does)),
  );
  expect(all('dt')).toHaveLength(SHORTCUTS.length);
  const saveAs = all('dl div').find((row) => row.textContent!.includes('Save under another name'))!;
  expect([...saveAs.querySelectorAll('kbd')].map((cap) => cap.textContent)).toEqual(['Ctrl', 'Shift', 'S']);
});
