/** What the canvas keeps in the browser. It goes when the person whose it is logs out, in every tab. */

/** What every key begins with. */
const OWN = 'kandinsky-canvas';

export function forgetAll(): void {
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) if (key.startsWith(OWN)) storage.removeItem(key);
  }
}

/** Says to the other tabs that this person has logged out. */
export function announceLogout(): void {
  const channel = new BroadcastChannel(OWN);
  channel.postMessage('logged out');
  channel.close();
}

/** Calls `left` when the person has logged out in another tab; returns what ends that. */
export function onLogout(left: () => void): () => void {
  const channel = new BroadcastChannel(OWN);
  channel.onmessage = left;
  return () => channel.close();
}
