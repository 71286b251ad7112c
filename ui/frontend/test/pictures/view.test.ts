import { expect, it } from 'vitest';
import { PanZoom } from '../../src/canvas/pictures/panzoom.svelte';
import {
  centredView,
  fittedView,
  heldView,
  under,
  zoomedView,
  type Size,
} from '../../src/canvas/pictures/view';

const WINDOW: Size = [800, 600];

it('fits a picture into the middle', () => {
  expect(fittedView([1600, 600], WINDOW)).toEqual({ x: 0, y: 150, scale: 0.5 });
  expect(fittedView([64, 64], WINDOW, 8)).toEqual({ x: 144, y: 44, scale: 8 });
  expect(fittedView([0, 0], [0, 0]).scale).toBe(1);
});

it('zooms around a point that stays', () => {
  const view = centredView([400, 300], WINDOW, 1);
  const at = { x: 300, y: 200 };
  const zoomed = zoomedView(view, [400, 300], 2.5, at);
  expect(zoomed.scale).toBe(2.5);
  expect(under(zoomed, at)).toEqual(under(view, at));
});

it('stops zooming where nothing more can be seen', () => {
  const view = { x: 0, y: 0, scale: 1 };
  expect(zoomedView(view, [512, 512], 1e6, { x: 0, y: 0 }).scale).toBe(32);
  expect(zoomedView(view, [512, 512], 1e-6, { x: 0, y: 0 }).scale).toBe(1 / 16);
});

it('keeps a bit of the picture in the window', () => {
  const held = heldView({ x: 5000, y: -5000, scale: 1 }, [400, 300], WINDOW);
  expect(held).toEqual({ x: 752, y: -252, scale: 1 });
});

/** A pointer event at a place of a window that begins at (100, 50). */
function pointer(id: number, x: number, y: number) {
  const currentTarget = { getBoundingClientRect: () => ({ left: 100, top: 50 }) };
  return { pointerId: id, clientX: x + 100, clientY: y + 50, currentTarget } as unknown as PointerEvent & {
    currentTarget: HTMLElement;
  };
}

it('is dragged by one pointer and pinched by two', () => {
  const zoom = new PanZoom([400, 300]);
  zoom.measure([400, 300], WINDOW);
  zoom.actual();
  zoom.down(pointer(1, 300, 300));
  zoom.move(pointer(1, 320, 290));
  expect(zoom.view).toEqual({ x: 220, y: 140, scale: 1 });
  zoom.move(pointer(1, 400, 290), false);
  expect(zoom.view.x).toBe(220);
  zoom.down(pointer(2, 500, 290));
  expect(zoom.touches).toBe(2);
  zoom.move(pointer(2, 600, 290));
  expect(zoom.view.scale).toBe(2);
  zoom.up(pointer(2, 600, 290));
  zoom.up(pointer(1, 400, 290));
  zoom.move(pointer(1, 0, 0));
  expect(zoom.view.scale).toBe(2);
  expect(zoom.touches).toBe(0);
});

it('follows its window until somebody moves it', () => {
  const zoom = new PanZoom([400, 300]);
  zoom.measure([400, 300], WINDOW);
  expect(zoom.view.scale).toBe(2);
  zoom.measure([400, 300], [400, 300]);
  expect(zoom.view.scale).toBe(1);
  zoom.zoom(2);
  zoom.measure([400, 300], WINDOW);
  expect(zoom.view.scale).toBe(2);
  zoom.fit();
  zoom.measure([400, 300], [200, 150]);
  expect(zoom.view.scale).toBe(0.5);
});

it('knows its keys', () => {
  const zoom = new PanZoom([400, 300]);
  zoom.measure([400, 300], WINDOW);
  const press = (key: string, arrows = true) => zoom.key(new KeyboardEvent('keydown', { key }), arrows);
  expect(press('1')).toBe(true);
  expect(zoom.view).toEqual({ x: 200, y: 150, scale: 1 });
  press('+');
  expect(zoom.view.scale).toBe(1.25);
  press('-');
  expect(zoom.view.scale).toBe(1);
  press('ArrowLeft');
  expect(zoom.view.x).toBe(248);
  expect(press('ArrowLeft', false)).toBe(false);
  expect(press('x')).toBe(false);
  press('0');
  expect(zoom.fits).toBe(true);
});
