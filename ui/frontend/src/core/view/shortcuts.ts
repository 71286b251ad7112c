/**
 * Every key of the canvas, in one table: what is heard and what the sheet on `?` shows cannot differ.
 *
 * Keys are written as `Ctrl+Shift+Z`; `Ctrl` is the command key on a Mac. A letter is found by where it lies when
 * the layout writes none (Cyrillic, Greek), so the keys are the same for everybody.
 */

export type ShortcutGroup = 'Run' | 'File' | 'Edit' | 'Build' | 'Arrange' | 'View';

export interface Shortcut {
  id: string;
  /** Any of them. */
  keys: readonly string[];
  does: string;
  group: ShortcutGroup;
  /** Heard in text fields as well. Other keys with Ctrl are left to the field: copy, undo, select all. */
  whileTyping?: boolean;
  /** What the browser or the focused part does by itself: on the sheet, never reported by `pressed`. */
  native?: boolean;
}

export const SHORTCUTS = [
  { id: 'run', keys: ['Ctrl+Enter'], does: 'Run', group: 'Run', whileTyping: true },
  {
    id: 'run-to-here',
    keys: ['Ctrl+Shift+Enter'],
    does: 'Run up to the selected node',
    group: 'Run',
    whileTyping: true,
  },
  { id: 'cancel', keys: ['Ctrl+.'], does: 'Cancel the run', group: 'Run', whileTyping: true },

  { id: 'templates', keys: ['T'], does: 'Templates', group: 'File' },
  { id: 'new', keys: ['Alt+N'], does: 'New workflow', group: 'File' },
  { id: 'open', keys: ['Ctrl+O'], does: 'Open', group: 'File', whileTyping: true },
  { id: 'save', keys: ['Ctrl+S'], does: 'Save', group: 'File', whileTyping: true },
  {
    id: 'save-as',
    keys: ['Ctrl+Shift+S'],
    does: 'Save under another name',
    group: 'File',
    whileTyping: true,
  },

  { id: 'undo', keys: ['Ctrl+Z'], does: 'Undo', group: 'Edit' },
  { id: 'redo', keys: ['Ctrl+Shift+Z', 'Ctrl+Y'], does: 'Redo', group: 'Edit' },
  { id: 'copy', keys: ['Ctrl+C'], does: 'Copy', group: 'Edit', native: true },
  { id: 'cut', keys: ['Ctrl+X'], does: 'Cut', group: 'Edit', native: true },
  { id: 'paste', keys: ['Ctrl+V'], does: 'Paste nodes, a picture or a file', group: 'Edit', native: true },
  { id: 'duplicate', keys: ['Ctrl+D'], does: 'Duplicate', group: 'Edit' },
  { id: 'select-all', keys: ['Ctrl+A'], does: 'Select everything', group: 'Edit' },
  { id: 'delete', keys: ['Delete', 'Backspace'], does: 'Delete', group: 'Edit' },

  { id: 'add-node', keys: ['Space', 'A'], does: 'Add a node', group: 'Build' },
  { id: 'wire', keys: ['W'], does: 'Draw a wire from the focused node', group: 'Build' },
  { id: 'note', keys: ['N'], does: 'Add a note', group: 'Build' },
  { id: 'group', keys: ['Ctrl+G'], does: 'Group the selected nodes', group: 'Build' },
  { id: 'collapse', keys: ['C'], does: 'Collapse or open', group: 'Build' },
  { id: 'mute', keys: ['M'], does: 'Mute: leave out, with all that needs it', group: 'Build' },
  { id: 'bypass', keys: ['B'], does: 'Bypass: pass on what comes in', group: 'Build' },

  {
    id: 'move',
    keys: ['Arrow keys'],
    does: 'Move by 10 pixels; with Shift by one step of the grid',
    group: 'Arrange',
    native: true,
  },
  { id: 'layout', keys: ['L'], does: 'Lay out anew', group: 'Arrange' },
  { id: 'align-left', keys: ['Alt+ArrowLeft'], does: 'Align left edges', group: 'Arrange' },
  { id: 'align-right', keys: ['Alt+ArrowRight'], does: 'Align right edges', group: 'Arrange' },
  { id: 'align-top', keys: ['Alt+ArrowUp'], does: 'Align top edges', group: 'Arrange' },
  { id: 'align-bottom', keys: ['Alt+ArrowDown'], does: 'Align bottom edges', group: 'Arrange' },
  { id: 'distribute-across', keys: ['Alt+H'], does: 'Same gaps from left to right', group: 'Arrange' },
  { id: 'distribute-down', keys: ['Alt+V'], does: 'Same gaps from top to bottom', group: 'Arrange' },

  { id: 'find', keys: ['Ctrl+F'], does: 'Find in the graph', group: 'View', whileTyping: true },
  {
    id: 'focus',
    keys: ['Tab', 'Shift+Tab'],
    does: 'Next or previous node and field',
    group: 'View',
    native: true,
  },
  { id: 'fit', keys: ['F', 'Shift+1'], does: 'See the whole graph', group: 'View' },
  { id: 'zoom-in', keys: ['+', '='], does: 'Zoom in', group: 'View' },
  { id: 'zoom-out', keys: ['-'], does: 'Zoom out', group: 'View' },
  { id: 'zoom-100', keys: ['0'], does: 'Zoom to 100 %', group: 'View' },
  { id: 'fullscreen', keys: ['Shift+F'], does: 'Full screen', group: 'View' },
  { id: 'minimap', keys: ['Shift+M'], does: 'Map', group: 'View' },
  { id: 'palette', keys: ['P'], does: 'Palette', group: 'View' },
  { id: 'gallery', keys: ['G'], does: 'Gallery', group: 'View' },
  { id: 'form', keys: ['Ctrl+Shift+F'], does: 'Open as a form', group: 'View', whileTyping: true },
  { id: 'shortcuts', keys: ['?'], does: 'This sheet', group: 'View' },
] as const satisfies readonly Shortcut[];

export type ShortcutId = (typeof SHORTCUTS)[number]['id'];

interface Chord {
  ctrl: boolean;
  shift: boolean;
  alt: boolean;
  /** `A`, `1`, `?`, `Space`, `ArrowLeft`, ... */
  key: string;
}

/** `Ctrl+Shift+Z` taken apart. */
export function chord(keys: string): Chord {
  const held = { ctrl: false, shift: false, alt: false };
  let key = keys;
  for (
    let found = /^(Ctrl|Shift|Alt)\+(.+)$/.exec(key);
    found;
    found = /^(Ctrl|Shift|Alt)\+(.+)$/.exec(key)
  ) {
    held[found[1].toLowerCase() as keyof typeof held] = true;
    key = found[2];
  }
  return { ...held, key };
}

const chords = new Map<Shortcut, Chord[]>();

/** Whether a key stroke is one of a shortcut's keys. */
export function matches(event: KeyboardEvent, shortcut: Shortcut): boolean {
  if (!chords.has(shortcut)) chords.set(shortcut, shortcut.keys.map(chord));
  return chords.get(shortcut)!.some((wanted) => {
    if (wanted.ctrl !== (event.ctrlKey || event.metaKey) || wanted.alt !== event.altKey) return false;
    // Where a symbol needs Shift depends on the layout; letters, digits and named keys say it themselves.
    const symbol = /^[^A-Za-z0-9]$/.test(wanted.key);
    if (!symbol && wanted.shift !== event.shiftKey) return false;
    return names(event).includes(wanted.key);
  });
}

/** What a key stroke may be called: what it writes, and where it lies for letters and digits. */
function names(event: KeyboardEvent): string[] {
  if (event.key === ' ') return ['Space'];
  const written = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const lies = /^(?:Key([A-Z])|Digit([0-9])|Numpad([0-9]))$/.exec(event.code)?.slice(1).find(Boolean);
  if (lies === undefined) return [written];
  // A letter that the layout writes elsewhere (Dvorak) counts for what it writes alone.
  return /^[A-Z]$/.test(written) ? [written] : [written, lies];
}

const FIELD = 'input, textarea, select, [contenteditable=""], [contenteditable="true"]';
const PRESSED_BY_KEY = 'button, a[href], summary, [role="slider"], [role="tab"], [role^="menuitem"]';
const OF_A_CONTROL = new Set(['Enter', 'Space', 'ArrowLeft', 'ArrowUp', 'ArrowRight', 'ArrowDown']);

/** The shortcut that a key stroke stands for, or null: it is none, or it belongs to the field or dialog it fell in. */
export function pressed(event: KeyboardEvent): ShortcutId | null {
  if (event.defaultPrevented || event.isComposing) return null;
  const shortcut: (Shortcut & { id: ShortcutId }) | undefined = SHORTCUTS.find((one) => matches(event, one));
  if (!shortcut || shortcut.native) return null;

  const path = event.composedPath().filter((part): part is Element => part instanceof Element);
  if (path.some((part) => part instanceof HTMLDialogElement && part.open)) return null;
  if (path.some((part) => part.matches(FIELD) && !isSwitch(part)) && !shortcut.whileTyping) return null;
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const onControl = path.some((part) => part.matches(PRESSED_BY_KEY) || isSwitch(part));
  if (plain && onControl && names(event).some((name) => OF_A_CONTROL.has(name))) return null;
  return shortcut.id;
}

/** A check box or a slider takes no text, so letters typed on it may be shortcuts. */
function isSwitch(part: Element): boolean {
  return part instanceof HTMLInputElement && ['checkbox', 'radio', 'range'].includes(part.type);
}

const ON_MAC: Record<string, string> = { Ctrl: '⌘', Shift: '⇧', Alt: '⌥' };
const SHOWN: Record<string, string> = {
  ArrowLeft: '←',
  ArrowUp: '↑',
  ArrowRight: '→',
  ArrowDown: '↓',
  Delete: 'Del',
};

/** The key caps of `Ctrl+Shift+Z`, in order: `['Ctrl', 'Shift', 'Z']`, on a Mac `['⌘', '⇧', 'Z']`. */
export function caps(keys: string, mac: boolean): string[] {
  const { ctrl, shift, alt, key } = chord(keys);
  const held = [ctrl && 'Ctrl', alt && 'Alt', shift && 'Shift'].filter((name) => name !== false);
  return [...held.map((name) => (mac ? ON_MAC[name] : name)), SHOWN[key] ?? key];
}

/** Whether the page runs on a Mac or an iPad, whose keys have other names. */
export function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}
