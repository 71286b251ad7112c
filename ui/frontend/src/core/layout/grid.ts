/** Moving through cards with the arrow keys, however many stand in a row. */

export interface Spot {
  left: number;
  top: number;
}

/** The card that an arrow key leads to from `index`; `index` itself where there is none, null for other keys. */
export function stepTo(spots: Spot[], index: number, key: string): number | null {
  const last = spots.length - 1;
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  if (key === 'ArrowLeft') return Math.max(0, index - 1);
  if (key === 'ArrowRight') return Math.min(last, index + 1);
  if (key === 'ArrowDown') return inRow(spots, index, 1);
  if (key === 'ArrowUp') return inRow(spots, index, -1);
  return null;
}

/** The card of the next row down (1) or up (-1) that lies nearest across. */
function inRow(spots: Spot[], index: number, way: 1 | -1): number {
  const here = spots[index];
  const beyond = spots.filter((spot) => (spot.top - here.top) * way > 1);
  if (!beyond.length) return index;
  const top = beyond.reduce((near, spot) => ((spot.top - near) * way < 0 ? spot.top : near), beyond[0].top);
  const row = beyond.filter((spot) => Math.abs(spot.top - top) <= 1);
  row.sort((a, b) => Math.abs(a.left - here.left) - Math.abs(b.left - here.left));
  return spots.indexOf(row[0]);
}

/** The place that a dragged row comes to lie at, when it is held at `y`; `middles` are those of all rows, in order. */
export function placeAt(middles: number[], dragged: number, y: number): number {
  return middles.filter((middle, index) => index !== dragged && middle < y).length;
}
