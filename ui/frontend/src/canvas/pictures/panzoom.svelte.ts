/** A view that wheel, fingers and keys move. It gets the pointer events of the window it is seen in. */
import { untrack } from 'svelte';
import { centredView, fittedView, heldView, zoomedView, type Point, type Size, type View } from './view';

const KEY_ZOOM = 1.25;
const KEY_PAN = 48;

export class PanZoom {
  view = $state.raw<View>({ x: 0, y: 0, scale: 1 });
  /** Whether the view still is as `fit` made it: then it follows the size of its window. */
  fits = $state(true);
  private fingers = new Map<number, Point>();
  private window: Size = [1, 1];

  /** `most`: how much a small picture is magnified at most when it is fitted. */
  constructor(
    private picture: Size,
    private readonly most = Infinity,
  ) {}

  get touches(): number {
    return this.fingers.size;
  }

  /** Another picture, or another size of the window. */
  measure(picture: Size, window: Size): void {
    const same = String(picture) === String(this.picture);
    [this.picture, this.window] = [picture, window];
    // Called by effects, which must not follow the view that they change.
    untrack(() => (this.fits || !same ? this.fit() : this.put(this.view)));
  }

  fit(): void {
    this.view = fittedView(this.picture, this.window, this.most);
    this.fits = true;
  }

  actual(): void {
    this.put(centredView(this.picture, this.window, 1));
  }

  zoom(factor: number, at: Point = { x: this.window[0] / 2, y: this.window[1] / 2 }): void {
    this.put(zoomedView(this.view, this.picture, factor, at));
  }

  pan(x: number, y: number): void {
    this.put({ ...this.view, x: this.view.x + x, y: this.view.y + y });
  }

  private put(view: View): void {
    this.view = heldView(view, this.picture, this.window);
    this.fits = false;
  }

  wheel(event: WheelEvent & { currentTarget: HTMLElement }): void {
    event.preventDefault();
    // Browsers tell a pinch on a touchpad as a wheel with Ctrl, in small steps; a line of a wheel is some 16 pixels.
    const distance = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.zoom(Math.exp(-distance * (event.ctrlKey ? 0.01 : 0.002)), place(event));
  }

  down(event: PointerEvent & { currentTarget: HTMLElement }): void {
    event.currentTarget.setPointerCapture?.(event.pointerId);
    this.fingers.set(event.pointerId, place(event));
  }

  /** One pointer drags where `drags`; two pinch. */
  move(event: PointerEvent & { currentTarget: HTMLElement }, drags = true): void {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other) {
      this.zoom(distance(now, other) / Math.max(1, distance(before, other)), middle(before, other));
      this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    } else if (drags) this.pan(now.x - before.x, now.y - before.y);
  }

  up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
  }

  /** + - 0 1 and, where `arrows`, the arrow keys; says whether the key was one of them. */
  key(event: KeyboardEvent, arrows: boolean): boolean {
    const step = arrows && ARROWS[event.key];
    if (event.key === '+' || event.key === '=') this.zoom(KEY_ZOOM);
    else if (event.key === '-') this.zoom(1 / KEY_ZOOM);
    else if (event.key === '0') this.fit();
    else if (event.key === '1') this.actual();
    else if (step) this.pan(step[0] * KEY_PAN, step[1] * KEY_PAN);
    else return false;
    return true;
  }
}

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [1, 0],
  ArrowRight: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Where an event is in the element that listens to it. */
export function place(event: MouseEvent & { currentTarget: HTMLElement }): Point {
  const box = event.currentTarget.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function middle(one: Point, other: Point): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}
