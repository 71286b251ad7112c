/** How a picture lies in its window: moved by (x, y) pixels of the screen, then magnified. */

export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface Point {
  x: number;
  y: number;
}

export type Size = [width: number, height: number];

const LARGEST = 32;
const SMALLEST_SIDE = 32;

/** The whole picture in the middle; a small one at most `most` times its size. */
export function fittedView(picture: Size, window: Size, most = Infinity): View {
  const scale = Math.min(window[0] / picture[0], window[1] / picture[1], most);
  return centredView(picture, window, Number.isFinite(scale) && scale > 0 ? scale : 1);
}

export function centredView(picture: Size, window: Size, scale: number): View {
  const [x, y] = [0, 1].map((axis) => (window[axis] - picture[axis] * scale) / 2);
  return { x, y, scale };
}

/** Magnifies by a factor; the point `at` of the window stays where it is. */
export function zoomedView(view: View, picture: Size, factor: number, at: Point): View {
  const smallest = Math.min(1, SMALLEST_SIDE / Math.max(...picture));
  const scale = Math.min(LARGEST, Math.max(smallest, view.scale * factor));
  const change = scale / view.scale;
  return { x: at.x - (at.x - view.x) * change, y: at.y - (at.y - view.y) * change, scale };
}

/** Keeps a bit of the picture in the window, however far it is dragged. */
export function heldView(view: View, picture: Size, window: Size): View {
  const hold = (place: number, length: number, room: number) => {
    const margin = Math.min(48, room / 4);
    return Math.min(room - margin, Math.max(margin - length, place));
  };
  return {
    x: hold(view.x, picture[0] * view.scale, window[0]),
    y: hold(view.y, picture[1] * view.scale, window[1]),
    scale: view.scale,
  };
}

/** The point of the picture that lies under a point of the window. */
export function under(view: View, at: Point): Point {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}
