/** Mounts a component as its owner would: what it changes comes back as its value. */
import { flushSync, mount, unmount, type Component } from 'svelte';
import { onTestFinished } from 'vitest';

export function stage(
  component: Component<any>,
  given: Record<string, unknown>,
  context: Record<string, unknown> = {},
) {
  const target = document.createElement('div');
  document.body.append(target);
  const changes: unknown[] = [];
  let commits = 0;
  const props = $state<Record<string, unknown>>({
    label: 'thing',
    onchange: (value: unknown) => {
      changes.push(value);
      props.value = value;
    },
    oncommit: () => commits++,
    ...given,
  });
  const app = mount(component, { target, props, context: new Map(Object.entries(context)) });
  flushSync();
  onTestFinished(() => {
    void unmount(app);
    target.remove();
  });
  return {
    target,
    props,
    changes,
    commits: () => commits,
    find: <T extends Element>(selector: string) => target.querySelector<T>(selector)!,
    set(name: string, value: unknown) {
      props[name] = value;
      flushSync();
    },
  };
}

/** Types into a field as a person would: the field has the focus and says `input`. */
export function type(field: HTMLInputElement | HTMLTextAreaElement, text: string) {
  field.focus();
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
}

export function leave(field: HTMLElement) {
  field.dispatchEvent(new Event('change', { bubbles: true }));
  field.blur();
  flushSync();
}

export function press(field: Element, key: string, more: KeyboardEventInit = {}) {
  field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
  field.dispatchEvent(new KeyboardEvent('keyup', { key, bubbles: true, ...more }));
  flushSync();
}

export function click(element: HTMLElement) {
  element.click();
  flushSync();
}
