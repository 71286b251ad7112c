/** Dragging sideways over a label changes its number: a pixel is a step, ten with Shift. */
const DEAD_ZONE = 3;

interface Scrub {
  /** How many steps from where the drag began. */
  onmove: (steps: number) => void;
  onend: () => void;
}

export function startScrub(event: PointerEvent & { currentTarget: HTMLElement }, scrub: Scrub): void {
  if (event.button !== 0 || event.pointerType === 'touch') return;
  const handle = event.currentTarget;
  const start = event.clientX;
  let moving = false;
  handle.setPointerCapture?.(event.pointerId);
  const listening = new AbortController();

  function move(now: PointerEvent) {
    const pixels = now.clientX - start;
    if (!moving && Math.abs(pixels) < DEAD_ZONE) return;
    moving = true;
    scrub.onmove(pixels * (now.shiftKey ? 10 : 1));
  }

  function end() {
    listening.abort();
    if (!moving) return;
    scrub.onend();
    // A click on the name would give the field the focus, and the key for undo would be the field's.
    handle.addEventListener('click', noClick);
    setTimeout(() => handle.removeEventListener('click', noClick));
  }

  const options = { signal: listening.signal };
  handle.addEventListener('pointermove', move, options);
  handle.addEventListener('pointerup', end, options);
  handle.addEventListener('pointercancel', end, options);
}

function noClick(event: Event): void {
  event.preventDefault();
}
