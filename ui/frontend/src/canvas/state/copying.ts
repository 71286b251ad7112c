/** The browser's own clipboard events on the canvas, so that menus and other tabs work as well. */
import type { Editor } from './editor.svelte';

/** Puts the selected nodes on the clipboard, if nothing else is marked; cutting takes them away as well. */
export function copyOut(event: ClipboardEvent, editor: Editor, cut: boolean) {
  if (isTaken(event) || String(document.getSelection())) return;
  const text = editor.copy();
  if (!text) return;
  event.preventDefault();
  event.clipboardData?.setData('text/plain', text);
  if (cut && !editor.readOnly) editor.remove(editor.selected);
}

/** Whether a field, a dialog or anything else below the canvas has this event. */
export function isTaken(event: Event): boolean {
  return event.defaultPrevented || event.composedPath().some(isField);
}

function isField(part: EventTarget): boolean {
  return part instanceof HTMLElement && part.matches('input, textarea, select, [contenteditable], dialog');
}
