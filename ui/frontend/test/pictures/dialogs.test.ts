import { flushSync } from 'svelte';
import { expect, it, vi } from 'vitest';
import Compare from '../../src/canvas/pictures/Compare.svelte';
import { copyPicture, fileName } from '../../src/canvas/pictures/files';
import Lightbox from '../../src/canvas/pictures/Lightbox.svelte';
import { click, press, stage } from '../widgets/stage.svelte';

const PICTURES = [
  { url: '/a.png', title: 'One', caption: 'seed 1' },
  { url: '/b.webp', title: 'Two' },
  { url: '/c.png', title: 'Three' },
];
const dialog = () => document.querySelector('dialog')!;
const title = () => dialog().querySelector('h2')!.textContent;
const button = (label: string) => dialog().querySelector<HTMLButtonElement>(`button[aria-label="${label}"]`)!;

function load(image: HTMLImageElement, width: number, height: number) {
  Object.defineProperties(image, {
    naturalWidth: { value: width, configurable: true },
    naturalHeight: { value: height, configurable: true },
  });
  image.dispatchEvent(new Event('load'));
  flushSync();
}

it('goes through pictures by keys and buttons, and stops at the ends', () => {
  stage(Lightbox, { pictures: PICTURES, index: 1, onclose: vi.fn() });
  expect(title()).toBe('Two');
  press(dialog(), 'ArrowRight');
  expect(title()).toBe('Three');
  press(dialog(), 'ArrowRight');
  expect(title()).toBe('Three');
  expect(button('Next picture').disabled).toBe(true);
  press(dialog(), 'Home');
  expect(title()).toBe('One');
  expect(dialog().textContent).toContain('seed 1');
  click(button('Next picture'));
  expect(dialog().querySelector('img')!.getAttribute('src')).toBe('/b.webp');
  expect(dialog().textContent).toContain('2 of 3');
});

it('zooms by keys, and shows pixels as such when they are large', () => {
  stage(Lightbox, { pictures: PICTURES, onclose: vi.fn() });
  const image = dialog().querySelector('img')!;
  load(image, 64, 64);
  press(dialog(), '1');
  expect(image.style.transform).toContain('scale(1)');
  expect(image.className).not.toContain('pixelated');
  for (let step = 0; step < 5; step++) press(dialog(), '+');
  expect(image.className).toContain('pixelated');
  press(dialog(), '1');
  press(dialog(), '-');
  expect(image.style.transform).toContain('scale(0.8)');
});

it('says when a picture cannot be loaded', () => {
  stage(Lightbox, { pictures: PICTURES, onclose: vi.fn() });
  dialog().querySelector('img')!.dispatchEvent(new Event('error'));
  flushSync();
  expect(dialog().textContent).toContain('The picture cannot be loaded.');
});

it('closes on Esc, and the focus goes back', () => {
  const before = document.createElement('button');
  document.body.append(before);
  before.focus();
  const onclose = vi.fn();
  const { target } = stage(Lightbox, { pictures: PICTURES, onclose });
  expect(document.activeElement).toBe(dialog());
  // Outside of where it was mounted, so that nothing below sees its events.
  expect(target.contains(dialog())).toBe(false);
  dialog().dispatchEvent(new Event('cancel', { cancelable: true }));
  expect(onclose).toHaveBeenCalledOnce();
});

it('offers the picture as a file', () => {
  stage(Lightbox, { pictures: PICTURES, onclose: vi.fn() });
  const link = dialog().querySelector<HTMLAnchorElement>('a[download]')!;
  expect([link.getAttribute('href'), link.download]).toEqual(['/a.png', 'One.png']);
});

it.each([
  ['A cat', '/x/y.webp?z=1', 'A cat.webp'],
  ['../../etc/passwd', '/x.png', 'etc passwd.png'],
  ['a/b\\c:d*?"<>|', '/x.jpeg', 'a b c d.jpg'],
  ['image.png', '/image.png', 'image.png'],
  ['', '/x', 'picture.png'],
  ['кот', 'data:image/webp;base64,AAAA', 'кот.webp'],
  ['exe', '/x.exe', 'exe.png'],
])('names the file of %j at %j', (name, url, file) => {
  expect(fileName({ title: name, url })).toBe(file);
});

it('says why a picture cannot be copied', async () => {
  await expect(copyPicture('/a.png')).rejects.toThrow('over https or from this machine');
  stage(Lightbox, { pictures: PICTURES, onclose: vi.fn() });
  click(button('Copy'));
  await vi.waitFor(() => expect(dialog().textContent).toContain('over https or from this machine'));
});

it('compares two pictures: divider by keys and pointer, swap', () => {
  stage(Compare, { first: PICTURES[0], second: PICTURES[1], onclose: vi.fn() });
  const slider = dialog().querySelector<HTMLInputElement>('input[type="range"]')!;
  const box = dialog().querySelector<HTMLElement>('.box')!;
  expect(document.activeElement).toBe(slider);
  slider.value = '30';
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
  expect(box.style.getPropertyValue('--split')).toBe('30%');
  box.getBoundingClientRect = () => ({ left: 100, width: 200 }) as DOMRect;
  box.dispatchEvent(new MouseEvent('pointerdown', { clientX: 250, buttons: 1, bubbles: true }));
  flushSync();
  expect(slider.value).toBe('75');
  box.dispatchEvent(new MouseEvent('pointermove', { clientX: 120, bubbles: true }));
  flushSync();
  expect(slider.value).toBe('75');
  const shown = () => [...dialog().querySelectorAll('img')].map((image) => image.getAttribute('src'));
  expect(shown()).toEqual(['/a.png', '/b.webp']);
  press(dialog(), 's');
  expect(shown()).toEqual(['/b.webp', '/a.png']);
});

it('fits pictures of different sizes into the same box', () => {
  stage(Compare, { first: PICTURES[0], second: PICTURES[1], onclose: vi.fn() });
  const [left, right] = dialog().querySelectorAll('img');
  load(left, 64, 64);
  load(right, 128, 32);
  const box = dialog().querySelector<HTMLElement>('.box')!;
  expect(parseFloat(box.style.width) / parseFloat(box.style.height)).toBeCloseTo(2);
});
