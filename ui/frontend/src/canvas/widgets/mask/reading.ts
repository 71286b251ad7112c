/** Pictures out of files, for painting. */
import type { Size } from '../../pictures/view';
import { emptyMask, fromPixels, maskSize, type Mask } from './mask';

/** Raises an error where the picture cannot be shown. */
async function picture(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

const sizeOf = (image: HTMLImageElement): Size => [image.naturalWidth, image.naturalHeight];

/** The brightness of a picture, brought to a size; what is transparent counts as black. */
function brightness(image: HTMLImageElement, size: Size): Mask {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = size;
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#000';
  context.fillRect(0, 0, ...size);
  context.drawImage(image, 0, 0, ...size);
  return fromPixels(context.getImageData(0, 0, ...size).data, size);
}

export interface Start {
  mask: Mask;
  /** What could not be read, as one sentence; empty where all went well. */
  problem: string;
}

const NEW: Size = [512, 512];

/** The mask to begin with: the present one, as large as the picture that it belongs to. */
export async function startingMask(
  present: string | null,
  background: string | null,
  size: Size | null,
): Promise<Start> {
  const [old, below] = await Promise.all(
    [present, size ? null : background].map((url) => (url ? picture(url).catch(() => null) : null)),
  );
  const wanted = maskSize(size ?? (below && sizeOf(below)) ?? (old && sizeOf(old)) ?? NEW);
  const unreadable = 'The present mask cannot be read: painting starts with an empty one.';
  if (!old) return { mask: emptyMask(wanted), problem: present ? unreadable : '' };
  try {
    return { mask: brightness(old, wanted), problem: '' };
  } catch {
    return { mask: emptyMask(wanted), problem: unreadable };
  }
}
