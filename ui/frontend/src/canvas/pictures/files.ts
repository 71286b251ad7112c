/** Pictures that leave the canvas: as a file, or through the clipboard. */

export interface Shown {
  url: string;
  title: string;
  caption?: string;
}

const ENDINGS: Record<string, string> = { png: 'png', webp: 'webp', jpeg: 'jpg', jpg: 'jpg' };

/** A file name for a picture: its title and the ending that its URL has. */
export function fileName({ url, title }: Shown): string {
  const plain = title
    .replace(/[^\p{L}\p{N} ._-]+/gu, ' ')
    .replace(/^[ .]+|\s+$/g, '')
    .replace(/\s+/g, ' ')
    .slice(0, 80);
  const path = url.startsWith('data:')
    ? url.slice(0, 40).replace(/^data:image\/(\w+).*/, '.$1')
    : url.split(/[?#]/)[0];
  const ending = ENDINGS[path.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'png';
  const name = plain || 'picture';
  return name.toLowerCase().endsWith(`.${ending}`) ? name : `${name}.${ending}`;
}

/** Puts a picture on the clipboard; raises an error with a sentence for people where that cannot be. */
export async function copyPicture(url: string): Promise<void> {
  if (!navigator.clipboard?.write || typeof ClipboardItem === 'undefined') {
    throw new Error('The browser lets pages copy pictures over https or from this machine only.');
  }
  try {
    // Some browsers want the item at once, while the click lasts: the picture may come later.
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': asPng(url) })]);
  } catch {
    throw new Error('The picture could not be copied.');
  }
}

/** Clipboards take PNG only. */
async function asPng(url: string): Promise<Blob> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The picture answered ${answer.status}.`);
  const file = await answer.blob();
  if (file.type === 'image/png') return file;
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}
