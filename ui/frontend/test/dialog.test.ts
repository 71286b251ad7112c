import { createRawSnippet, flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, it, vi } from 'vitest';
import Dialog from '../src/canvas/dialogs/Dialog.svelte';

afterEach(() => document.body.replaceChildren());

function open(html: string) {
  const host = document.createElement('div');
  const root = host.attachShadow({ mode: 'open' });
  root.innerHTML = '<button id="opener">open</button><div id="place"></div>';
  document.body.append(host);
  root.querySelector<HTMLElement>('#opener')!.focus();
  const onclose = vi.fn();
  const children = createRawSnippet(() => ({ render: () => html }));
  const target = root.querySelector('#place')!;
  const app = mount(Dialog, { target, props: { title: 'Templates', onclose, children } });
  flushSync();
  return { root, app, onclose, dialog: root.querySelector('dialog')! };
}

it('opens in a shadow root, named by its title, which has the focus', () => {
  const { root, dialog } = open('<p>body</p>');
  expect(dialog.open).toBe(true);
  const title = root.getElementById(dialog.getAttribute('aria-labelledby')!);
  expect(title!.textContent).toBe('Templates');
  expect(root.activeElement).toBe(title);
});

it('gives the focus to what asks for it, and back to the opener when it goes', async () => {
  const { root, app } = open('<input data-autofocus />');
  expect(root.activeElement!.tagName).toBe('INPUT');
  await unmount(app);
  expect(root.activeElement!.id).toBe('opener');
});

it('takes the focus when what had it inside is taken away', async () => {
  const { root, dialog } = open('<input data-autofocus />');
  root.activeElement!.remove();
  await Promise.resolve();
  expect(root.activeElement).toBe(dialog.querySelector('h2'));
});

it('asks its owner to close on Esc and on the button, and stays open until then', () => {
  const { dialog, onclose } = open('<p>body</p>');
  const esc = new Event('cancel', { cancelable: true });
  dialog.dispatchEvent(esc);
  expect(esc.defaultPrevented).toBe(true);
  expect(onclose).toHaveBeenCalledTimes(1);
  dialog.querySelector<HTMLButtonElement>('[aria-label="Close"]')!.click();
  expect(onclose).toHaveBeenCalledTimes(2);
  expect(dialog.open).toBe(true);
});

it("does not take a file field's cancel for its own", () => {
  const { dialog, onclose } = open('<input type="file" />');
  dialog.querySelector('input')!.dispatchEvent(new Event('cancel', { bubbles: true }));
  expect(onclose).not.toHaveBeenCalled();
});

it('keeps key strokes from the canvas', () => {
  const heard = vi.fn();
  document.addEventListener('keydown', heard);
  const { dialog } = open('<input data-autofocus />');
  const event = new KeyboardEvent('keydown', { key: 'b', bubbles: true, composed: true });
  dialog.querySelector('input')!.dispatchEvent(event);
  document.removeEventListener('keydown', heard);
  expect(heard).not.toHaveBeenCalled();
});
