/** The line of a wire: a curve from port to port, through the points of its route. */
export type Point = [number, number];

const LEAST = 30;
const MOST = 160;

/** How far the curve leaves a port straight on. */
function reach(from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const wanted = dx >= 0 ? dx / 2 : Math.hypot(dx, dy) / 3;
  return Math.min(MOST, Math.max(LEAST, wanted));
}

/** Cubic curves: for each stretch its two control points and its end. */
export function curves(from: Point, to: Point, route: readonly Point[] = []): [Point, Point, Point][] {
  const points = [from, ...route, to];
  return points.slice(1).map((end, index) => {
    const start = points[index];
    const far = reach(start, end);
    const leave = index === 0 ? 1 : slope(points, index);
    const arrive = index === points.length - 2 ? 1 : slope(points, index + 1);
    return [[start[0] + far * leave, start[1]], [end[0] - far * arrive, end[1]], end];
  });
}

/** Whether the line runs to the right (1) or to the left (-1) at an inner point. */
function slope(points: Point[], index: number): number {
  return points[index + 1][0] >= points[index - 1][0] ? 1 : -1;
}

export function svgPath(from: Point, to: Point, route: readonly Point[] = []): string {
  const parts = curves(from, to, route).map(([a, b, end]) => `C${a} ${b} ${end}`);
  return `M${from} ${parts.join(' ')}`;
}

/** The point at a share (0..1) of the wire, as its curves count. */
export function pointAt(from: Point, to: Point, route: readonly Point[], share: number): Point {
  const all = curves(from, to, route);
  const at = Math.min(all.length - 1, Math.floor(share * all.length));
  const t = share * all.length - at;
  const start = at === 0 ? from : all[at - 1][2];
  const [a, b, end] = all[at];
  const mix = (axis: 0 | 1) =>
    (1 - t) ** 3 * start[axis] +
    3 * (1 - t) ** 2 * t * a[axis] +
    3 * (1 - t) * t ** 2 * b[axis] +
    t ** 3 * end[axis];
  return [mix(0), mix(1)];
}

/** Where in a route a new point belongs: after the stretch that passes nearest to it. */
export function placeInRoute(from: Point, to: Point, route: readonly Point[], point: Point): number {
  const stretches = route.length + 1;
  let best = 0;
  let nearest = Infinity;
  for (let step = 0; step <= stretches * 12; step++) {
    const share = step / (stretches * 12);
    const [x, y] = pointAt(from, to, route, share);
    const distance = Math.hypot(x - point[0], y - point[1]);
    if (distance < nearest)
      [nearest, best] = [distance, Math.min(route.length, Math.floor(share * stretches))];
  }
  return best;
}
