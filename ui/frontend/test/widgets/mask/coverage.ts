import type { Mask } from '../../../src/canvas/widgets/mask/mask';

/** How much of the mask is painted, in 0..1. */
export function coverage(mask: Mask): number {
  let sum = 0;
  for (const value of mask.data) sum += value;
  return sum / (255 * mask.data.length);
}
