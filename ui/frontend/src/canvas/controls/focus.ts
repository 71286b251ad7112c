/** Where the focus goes: never onto the page itself, where keys go nowhere. */

/** The element that has the focus, in the document or shadow root of `near`; null where nothing has. */
export function focused(near: Node): HTMLElement | null {
  const active = (near.getRootNode() as Document | ShadowRoot).activeElement;
  return active instanceof HTMLElement && active !== document.body ? active : null;
}

/**
 * Puts the focus on `fallback` whenever what had it inside `within` is taken away: a row that was deleted, a field
 * that was closed. Returns what ends it.
 */
export function keepFocus(within: HTMLElement, fallback: HTMLElement): () => void {
  let last: EventTarget | null = null;
  const remember = (event: FocusEvent) => (last = event.target);
  const observer = new MutationObserver(() => {
    if (last instanceof Node && !last.isConnected && !focused(within))
      fallback.focus({ preventScroll: true });
  });
  within.addEventListener('focusin', remember);
  observer.observe(within, { childList: true, subtree: true });
  return () => {
    within.removeEventListener('focusin', remember);
    observer.disconnect();
  };
}
