/** Everything that a key, a button of the bar or an entry of its menu does, by the name of its shortcut. */
import type { ShortcutId } from '../../core/view/shortcuts';
import type { Desk } from './desk.svelte';
import type { Session } from './session.svelte';
import type { Theme } from './theme.svelte';

/** What only the page itself can do. */
export interface Page {
  fit(): void;
  zoomBy(factor: number): void;
  zoomTo(zoom: number): void;
  /** The node that has the focus, or was selected last; empty where there is none. */
  focused(): string;
  search(): void;
  note(): void;
  choose(): void;
  fullscreen(): void;
  reload(): void;
}

export type ActionId =
  | ShortcutId
  | 'builder'
  | 'queue'
  | 'problems'
  | 'snap'
  | 'theme'
  | 'upload'
  | 'download'
  | 'download-with-pictures'
  | 'log-out';

/** Those that change nothing: allowed while an older version is looked at. */
const READING = new Set<ActionId>([
  'fit',
  'zoom-in',
  'zoom-out',
  'zoom-100',
  'fullscreen',
  'minimap',
  'find',
  'shortcuts',
  'cancel',
  'theme',
  'log-out',
]);

export function actionsOf(session: Session, desk: Desk, theme: Theme, page: Page): (id: ActionId) => void {
  const { editor, runs, file, bridge } = session;
  const actions: Partial<Record<ActionId, () => void>> = {
    run: () => void session.run(null),
    'run-to-here': () => void session.run(page.focused() || null),
    cancel: () => void runs.cancel(),
    templates: () => (desk.dialog = 'templates'),
    new: () => session.openEmpty(),
    open: () => (desk.dialog = 'workflows'),
    save: () => {
      if (file.name) void session.save(file.name);
      else desk.dialog = 'save-as';
    },
    'save-as': () => (desk.dialog = 'save-as'),
    undo: () => editor.undo(),
    redo: () => editor.redo(),
    duplicate: () => editor.duplicate(),
    'select-all': () => editor.selectAll(),
    delete: () => editor.remove(editor.selected, editor.selectedWires),
    'add-node': page.search,
    wire: () => (desk.wiring = page.focused()),
    note: page.note,
    group: () => editor.group(),
    collapse: () => editor.toggleCollapsed(),
    mute: () => editor.toggleMode('muted'),
    bypass: () => editor.toggleMode('bypassed'),
    layout: () => {
      editor.arrange();
      requestAnimationFrame(page.fit);
    },
    'align-left': () => editor.align('left'),
    'align-right': () => editor.align('right'),
    'align-top': () => editor.align('top'),
    'align-bottom': () => editor.align('bottom'),
    'distribute-across': () => editor.distribute('across'),
    'distribute-down': () => editor.distribute('down'),
    find: () => (desk.dialog = 'find'),
    fit: page.fit,
    'zoom-in': () => page.zoomBy(1.25),
    'zoom-out': () => page.zoomBy(0.8),
    'zoom-100': () => page.zoomTo(1),
    fullscreen: page.fullscreen,
    minimap: () => (desk.minimap = !desk.minimap),
    snap: () => (desk.snap = !desk.snap),
    palette: () => (desk.palette = !desk.palette),
    gallery: () => desk.toggle('gallery'),
    builder: () => desk.toggle('form'),
    queue: () => desk.toggle('queue'),
    problems: () => desk.toggle('problems'),
    form: () => bridge.showForm(editor.workflow, file.base),
    shortcuts: () => (desk.dialog = 'shortcuts'),
    theme: () => theme.toggle(),
    upload: page.choose,
    download: () => void session.download(false),
    'download-with-pictures': () => void session.download(true),
    'log-out': () => void session.logOut().then((out) => out && page.reload()),
  };
  return (id) => {
    if (!editor.readOnly || READING.has(id)) actions[id]?.();
  };
}
