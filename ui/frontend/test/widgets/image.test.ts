import { flushSync } from 'svelte';
import { beforeEach, expect, it, vi } from 'vitest';
import { BridgeError, type UploadedPicture } from '../../src/core/server/bridge';
import Widget from '../../src/canvas/widgets/Widget.svelte';
import { PARAMS } from './param';
import { click, leave, stage, type } from './stage.svelte';

const REF = `sha256:${'ab'.repeat(32)}`;
const PICTURE = new File(['x'], 'cat.png', { type: 'image/png' });

const upload = vi.fn<(file: Blob) => Promise<UploadedPicture>>();
const pictures = {
  base: () => 'folder',
  bridge: { upload, pictureUrl: (value: string, base: string) => `/see/${base}/${value}` },
};

beforeEach(() => {
  upload.mockReset();
  upload.mockResolvedValue({ ref: REF, url: '', width: 3, height: 2 });
});

const field = (value: unknown = '', more: Record<string, unknown> = {}) =>
  stage(Widget, { param: PARAMS.image, value, ...more }, { pictures });

/** An event that carries files, as drops and pastes do. */
function carrying(kind: string, property: string, files: File[]): Event {
  const event = new Event(kind, { bubbles: true, cancelable: true });
  Object.defineProperty(event, property, {
    value: { files, types: files.length ? ['Files'] : ['text/plain'] },
  });
  return event;
}

async function settle() {
  await new Promise((resolve) => setTimeout(resolve));
  flushSync();
}

it('takes a picture that is dropped, and keeps the drop to itself', async () => {
  const { find, target, changes, commits } = field();
  const outside = vi.fn();
  target.addEventListener('drop', outside);
  const drop = carrying('drop', 'dataTransfer', [PICTURE]);
  find('.frame').dispatchEvent(drop);
  flushSync();
  expect(find('[role="status"]').textContent).toContain('Sending');
  expect(changes).toEqual([]);
  await settle();
  expect(drop.defaultPrevented).toBe(true);
  expect(outside).not.toHaveBeenCalled();
  expect(changes).toEqual([REF]);
  expect(commits()).toBe(1);
  expect(find('img').getAttribute('src')).toBe(`/see/folder/${REF}`);
  expect(target.textContent).toContain('cat.png');
});

it('takes a picture that is pasted while it has the focus, and no other time', async () => {
  const { find, changes } = field();
  const box = find<HTMLElement>('.picture');
  window.dispatchEvent(carrying('paste', 'clipboardData', [PICTURE]));
  box.focus();
  flushSync();
  const text = carrying('paste', 'clipboardData', []);
  window.dispatchEvent(text);
  expect(text.defaultPrevented).toBe(false);
  window.dispatchEvent(carrying('paste', 'clipboardData', [PICTURE]));
  box.blur();
  flushSync();
  window.dispatchEvent(carrying('paste', 'clipboardData', [PICTURE]));
  await settle();
  expect(upload).toHaveBeenCalledTimes(1);
  expect(changes).toEqual([REF]);
});

it('takes a picture that is chosen', async () => {
  const { find, changes } = field();
  const chooser = find<HTMLInputElement>('input[type="file"]');
  const opened = vi.spyOn(chooser, 'click').mockImplementation(() => undefined);
  click(find('.picture'));
  expect(opened).toHaveBeenCalledOnce();
  Object.defineProperty(chooser, 'files', { value: [PICTURE] });
  chooser.dispatchEvent(new Event('change', { bubbles: true }));
  await settle();
  expect(changes).toEqual([REF]);
});

it('keeps the old picture where the new one fails, and says why', async () => {
  upload.mockRejectedValue(new BridgeError('The picture is larger than 64 MB.'));
  const { find, changes } = field('old.png');
  find('.frame').dispatchEvent(carrying('drop', 'dataTransfer', [PICTURE]));
  await settle();
  expect(find('[role="alert"]').textContent).toBe('The picture is larger than 64 MB.');
  expect(find('img').getAttribute('src')).toBe('/see/folder/old.png');
  expect(changes).toEqual([]);
  upload.mockRejectedValue(new TypeError('network'));
  find('.frame').dispatchEvent(carrying('drop', 'dataTransfer', [PICTURE]));
  await settle();
  expect(find('[role="alert"]').textContent).toBe('The picture could not be sent; try again.');
});

it('refuses what is no picture, without sending it', async () => {
  const { find } = field();
  const text = new File(['x'], 'notes.txt', { type: 'text/plain' });
  find('.frame').dispatchEvent(carrying('drop', 'dataTransfer', [text]));
  await settle();
  expect(find('[role="alert"]').textContent).toBe('notes.txt is not a picture.');
  expect(upload).not.toHaveBeenCalled();
});

it('takes the last of two pictures, whichever arrives first', async () => {
  const answers: ((picture: UploadedPicture) => void)[] = [];
  upload.mockImplementation(() => new Promise((resolve) => answers.push(resolve)));
  const { find, changes } = field();
  for (let drop = 0; drop < 2; drop++) {
    find('.frame').dispatchEvent(carrying('drop', 'dataTransfer', [PICTURE]));
    await settle();
  }
  answers[1]({ ref: 'sha256:second', url: '', width: 1, height: 1 });
  await settle();
  answers[0]({ ref: 'sha256:first', url: '', width: 1, height: 1 });
  await settle();
  expect(changes).toEqual(['sha256:second']);
});

it('can be cleared, and named by a path that is taken when it is complete', () => {
  const { find, target, changes } = field('old.png');
  const button = (label: string) => target.querySelector<HTMLButtonElement>(`button[aria-label="${label}"]`)!;
  click(button('Path of thing'));
  const path = find<HTMLInputElement>('input[type="text"]');
  expect(path.value).toBe('old.png');
  type(path, 'pictures/new.png');
  expect(changes).toEqual([]);
  leave(path);
  click(button('Remove the picture of thing'));
  expect(changes).toEqual(['pictures/new.png', '']);
  expect(find('.picture').getAttribute('aria-label')).toBe('thing: Drop, paste or choose a picture');
});

it('says the size of the picture, or that it cannot be shown', () => {
  const { find, set } = field('a/cat.png');
  const image = find<HTMLImageElement>('img');
  Object.defineProperties(image, { naturalWidth: { value: 320 }, naturalHeight: { value: 200 } });
  image.dispatchEvent(new Event('load'));
  flushSync();
  expect(find('.caption').textContent).toBe('cat.png 320 × 200');
  set('value', 'gone.png');
  find('img').dispatchEvent(new Event('error'));
  flushSync();
  expect(find('.caption').textContent).toBe('gone.png cannot be shown.');
});

it('takes nothing while it is disabled', async () => {
  const { find, target } = field('old.png', { disabled: true });
  find('.frame').dispatchEvent(carrying('drop', 'dataTransfer', [PICTURE]));
  await settle();
  expect(upload).not.toHaveBeenCalled();
  expect([...target.querySelectorAll('button')].every((button) => button.disabled)).toBe(true);
});
