/** The module that the page loads: puts the canvas into an element, in a shadow root of its own. */
import flowStyles from '@xyflow/svelte/dist/style.css?inline';
import { mount as mountComponent, unmount } from 'svelte';
import App from './canvas/App.svelte';
import { Session } from './canvas/state/session.svelte';
import { Theme } from './canvas/state/theme.svelte';
import themeStyles from './canvas/theme.css?inline';
import fieldStyles from './canvas/widgets/fields/fields.css?inline';
import type { Bridge } from './core/server/bridge';

export { gradioBridge } from './core/server/gradio';

/** Shows the canvas in `element`; returns what takes it away again. */
export async function mount(element: HTMLElement, bridge: Bridge): Promise<() => void> {
  const host = document.createElement('div');
  host.style.cssText = 'position: relative; width: 100%; height: 100%';
  const root = host.attachShadow({ mode: 'open' });
  const style = document.createElement('style');
  style.textContent = flowStyles + themeStyles + fieldStyles;
  const target = document.createElement('div');
  target.style.cssText = 'position: absolute; inset: 0';
  root.append(style, target);
  const hello = await bridge.hello();
  element.replaceChildren(host);
  const theme = new Theme(host);
  const app = mountComponent(App, { target, props: { session: new Session(bridge, hello), theme } });
  return () => {
    void unmount(app);
    host.remove();
  };
}
