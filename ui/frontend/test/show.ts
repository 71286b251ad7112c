/** Mounts a component into a shadow root, as the page does, and finds things in it. */
import { flushSync, mount, tick, unmount, type Component } from 'svelte';
import { afterEach } from 'vitest';

const shown: Record<string, unknown>[] = [];

afterEach(async () => {
  for (const app of shown.splice(0)) await unmount(app);
  document.body.replaceChildren();
});

export function show<Props extends Record<string, unknown>>(component: Component<Props>, props: Props) {
  const host = document.createElement('div');
  const root = host.attachShadow({ mode: 'open' });
  document.body.append(host);
  shown.push(mount(component, { target: root, props }) as Record<string, unknown>);
  flushSync();
  const all = <E extends HTMLElement = HTMLElement>(selector: string) => [
    ...root.querySelectorAll<E>(selector),
  ];
  return {
    root,
    all,
    /** The one element that is meant; raises where there is none. */
    one<E extends HTMLElement = HTMLElement>(selector: string): E {
      const found = root.querySelector<E>(selector);
      if (!found) throw new Error(`nothing is ${selector}`);
      return found;
    },
    /** The button with this text or label. */
    button(name: string): HTMLButtonElement {
      const buttons = all<HTMLButtonElement>('button');
      const found = buttons.find(
        (one) =>
          (one.ariaLabel ?? one.textContent?.replace(/\s+/g, ' ').trim()) === name ||
          one.getAttribute('aria-label') === name,
      );
      if (!found) throw new Error(`no button is called ${name}`);
      return found;
    },
    text: () => (root.textContent ?? '').replace(/\s+/g, ' '),
  };
}

/** Writes into a field as a person does. */
export function write(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  field.value = value;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
}

export function key(target: Element, name: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent('keydown', {
    key: name,
    bubbles: true,
    composed: true,
    cancelable: true,
    ...more,
  });
  target.dispatchEvent(event);
  flushSync();
  return event;
}

export function click(target: HTMLElement): void {
  target.click();
  flushSync();
}

/** Lets what was asked of the bridge come back. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await tick();
  flushSync();
}
