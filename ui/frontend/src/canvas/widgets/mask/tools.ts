/** The painter's tools and the keys for them. */
import type { IconName } from '../../controls/icons';

export type Tool = 'brush' | 'eraser' | 'fill' | 'move';

export const TOOLS: { tool: Tool; icon: IconName; label: string; key: string }[] = [
  { tool: 'brush', icon: 'brush', label: 'Brush', key: 'b' },
  { tool: 'eraser', icon: 'eraser', label: 'Eraser', key: 'e' },
  { tool: 'fill', icon: 'fill', label: 'Fill what is enclosed', key: 'g' },
  { tool: 'move', icon: 'hand', label: 'Move the picture', key: 'h' },
];

export const LARGEST_BRUSH = 512;

/** One press of [ or ]: a fifth smaller or larger, at least a pixel. */
export function resizedBrush(size: number, larger: boolean): number {
  const step = Math.max(1, Math.round(size * 0.2));
  return Math.min(LARGEST_BRUSH, Math.max(1, size + (larger ? step : -step)));
}
