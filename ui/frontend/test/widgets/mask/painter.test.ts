import { flushSync } from 'svelte';
import { beforeEach, expect, it, vi } from 'vitest';
import { BridgeError } from '../../../src/core/server/bridge';
import { Painting } from '../../../src/canvas/widgets/mask/painting.svelte';
import { emptyMask, fillAll, type Area } from '../../../src/canvas/widgets/mask/mask';
import * as png from '../../../src/canvas/widgets/mask/png';
import Widget from '../../../src/canvas/widgets/Widget.svelte';
import { PARAMS } from '../param';
import { click, press, stage } from '../stage.svelte';
import { coverage } from './coverage';

const upload = vi.fn();
const pictures = { base: () => '', bridge: { upload, pictureUrl: (value: string) => `/see/${value}` } };

beforeEach(() => {
  upload.mockReset();
  upload.mockResolvedValue({ ref: 'sha256:painted', url: '', width: 64, height: 48 });
  // jsdom draws nothing: the mask itself is what counts.
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
  return () => vi.restoreAllMocks();
});

const dialog = () => document.querySelector('dialog')!;
const button = (label: string) =>
  [...dialog().querySelectorAll('button')].find((one) =>
    [one.getAttribute('aria-label'), one.textContent?.trim()].includes(label),
  )!;

/** Waits until something holds. */
async function until<T>(found: () => T): Promise<T> {
  return vi.waitFor(() => {
    flushSync();
    const result = found();
    if (!result) throw new Error('not yet');
    return result;
  });
}

async function openPainter(more: Record<string, unknown> = {}) {
  const staged = stage(Widget, { param: PARAMS.mask, value: '', size: [64, 48], ...more }, { pictures });
  click(staged.find('.picture'));
  await until(() => dialog()?.querySelector('.stage'));
  return staged;
}

function pointer(kind: string, x: number, y: number, more: PointerEventInit = {}) {
  const event = new MouseEvent(kind, { clientX: x, clientY: y, bubbles: true, cancelable: true, ...more });
  Object.defineProperties(event, {
    pointerId: { value: more.pointerId ?? 1 },
    pointerType: { value: 'mouse' },
  });
  dialog().querySelector('.stage')!.dispatchEvent(event);
  flushSync();
}

/** The mask that is sent when it is used. */
async function used(): Promise<ReturnType<typeof emptyMask>> {
  const encoded = vi.spyOn(png, 'encodeGrey');
  click(button('Use this mask'));
  await until(() => encoded.mock.calls.length);
  return encoded.mock.calls[0][0];
}

it('is as large as the picture, paints, and sends what was painted', async () => {
  const { changes, commits } = await openPainter();
  press(dialog(), '1');
  pointer('pointerdown', -20, -10);
  pointer('pointermove', -10, -5);
  pointer('pointerup', -10, -5);
  expect(button('Undo').disabled).toBe(false);
  click(button('Fill all'));
  const mask = await used();
  expect([mask.width, mask.height, coverage(mask)]).toEqual([64, 48, 1]);
  await until(() => changes.length);
  expect(changes).toEqual(['sha256:painted']);
  expect(commits()).toBe(1);
  expect((upload.mock.calls[0][0] as Blob).type).toBe('image/png');
  expect(document.querySelector('dialog')).toBeNull();
});

it('paints shapes by numbers, with no pointer', async () => {
  await openPainter();
  click(button('Paint it'));
  const mask = await used();
  expect(coverage(mask)).toBeCloseTo(0.25);
});

it('stays open where the mask cannot be sent', async () => {
  upload.mockRejectedValue(new BridgeError('The disk is full.'));
  const { changes } = await openPainter();
  click(button('Use this mask'));
  await until(() => dialog().textContent?.includes('The disk is full.'));
  expect(changes).toEqual([]);
});

it('leaves the mask as it was on Esc, and offers what was painted when it opens again', async () => {
  const { changes, find } = await openPainter();
  click(button('Fill all'));
  dialog().dispatchEvent(new Event('cancel', { cancelable: true }));
  flushSync();
  expect(document.querySelector('dialog')).toBeNull();
  expect(changes).toEqual([]);
  click(find('.picture'));
  await until(() => dialog()?.querySelector('.stage'));
  expect(button('Undo').disabled).toBe(true);
  click(button('Redo'));
  expect(coverage(await used())).toBe(1);
});

it('knows its keys, but not while numbers are typed', async () => {
  await openPainter();
  press(dialog(), 'e');
  expect(button('Eraser').getAttribute('aria-pressed')).toBe('true');
  const size = () => dialog().querySelector<HTMLInputElement>('input[type="range"]')!.value;
  const before = Number(size());
  press(dialog(), ']');
  expect(Number(size())).toBeGreaterThan(before);
  press(dialog().querySelector('input[type="text"]')!, 'b');
  expect(button('Eraser').getAttribute('aria-pressed')).toBe('true');
  click(button('Invert'));
  press(dialog(), 'z', { ctrlKey: true });
  expect(button('Redo').disabled).toBe(false);
  press(dialog(), 'z', { ctrlKey: true, shiftKey: true });
  expect(coverage(await used())).toBe(1);
});

it('lies outside of the canvas and keeps its key strokes from the window', async () => {
  const { target } = await openPainter();
  expect(target.contains(dialog())).toBe(false);
  const outside = vi.fn();
  window.addEventListener('keydown', outside);
  press(dialog(), 'Delete');
  window.removeEventListener('keydown', outside);
  expect(outside).not.toHaveBeenCalled();
});

it('changes nothing where it is closed while the mask is being sent', async () => {
  let answer: (picture: unknown) => void = () => undefined;
  upload.mockReturnValue(new Promise((resolve) => (answer = resolve)));
  const { changes } = await openPainter();
  click(button('Use this mask'));
  await until(() => upload.mock.calls.length);
  click(button('Leave it as it was'));
  answer({ ref: 'sha256:late', url: '', width: 1, height: 1 });
  await new Promise((resolve) => setTimeout(resolve));
  expect(changes).toEqual([]);
});

it('draws just what a stroke touched', () => {
  const drawn: Area[] = [];
  const painting = new Painting(emptyMask([1000, 1000]));
  painting.draw = (area) => drawn.push(area);
  painting.beginStroke({ x: 100, y: 100 }, { radius: 10, hardness: 1, erase: false });
  painting.strokeTo({ x: 120, y: 100 });
  painting.endStroke();
  painting.strokeTo({ x: 900, y: 900 });
  expect(drawn).toHaveLength(2);
  expect(drawn.every((area) => area.width * area.height < 50 * 30)).toBe(true);
  painting.undo();
  expect(coverage(painting.mask)).toBe(0);
});

it('forgets a stroke that turned out to be a pinch', () => {
  const painting = new Painting(emptyMask([100, 100]));
  painting.beginStroke({ x: 50, y: 50 }, { radius: 10, hardness: 1, erase: false });
  painting.cancelStroke();
  painting.endStroke();
  expect([coverage(painting.mask), painting.undoable, painting.changed]).toEqual([0, false, false]);
  painting.step((mask) => fillAll(mask, 255));
  expect(painting.changed).toBe(true);
});
