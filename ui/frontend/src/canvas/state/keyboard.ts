/** The keys of the canvas: shortcuts, arrows that move nodes, and what has the focus is selected. */
import { pressed } from '../../core/view/shortcuts';
import type { ActionId } from './actions';
import type { Editor } from './editor.svelte';

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Handles a key stroke that is meant for the canvas. */
export function strike(event: KeyboardEvent, editor: Editor, act: (id: ActionId) => void) {
  const id = pressed(event);
  if (id) act(id);
  else if (!leaveField(event) && !onSurface(event, editor)) return;
  event.preventDefault();
}

/** Escape leads from a field back to its node, where keys are shortcuts again. */
function leaveField(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0] as HTMLElement;
  const around = target.closest<HTMLElement>('.svelte-flow__node');
  if (event.key !== 'Escape' || !around || around === target || event.defaultPrevented) return false;
  around.focus({ preventScroll: true });
  return true;
}

/** Keys on a node, a wire or the empty canvas. */
function onSurface(event: KeyboardEvent, editor: Editor): boolean {
  const target = event.composedPath()[0] as HTMLElement;
  const here = target === document.body || target.matches('.svelte-flow__node, .surface, .svelte-flow__edge');
  if (!here || event.ctrlKey || event.metaKey || event.altKey) return false;
  const arrow = ARROWS[event.key];
  if (arrow && editor.selected.size && !editor.readOnly) {
    const step = event.shiftKey ? 20 : 10;
    editor.nudge(arrow[0] * step, arrow[1] * step);
  } else if (event.key === 'Enter' && target.dataset.id) {
    if (target.matches('.svelte-flow__edge')) editor.select([], [target.dataset.id]);
    else editor.select([target.dataset.id]);
  } else if (event.key === 'Escape') {
    editor.select([]);
  } else return false;
  return true;
}

/** What has the focus by the keyboard is selected: every key then acts on it. */
export function selectFocused(event: FocusEvent, editor: Editor) {
  const target = event.target as HTMLElement;
  if (!target.matches('.svelte-flow__node:focus-visible') || !target.dataset.id) return;
  if (!editor.selected.has(target.dataset.id)) editor.select([target.dataset.id]);
}
