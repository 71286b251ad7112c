/** A mask while it is painted: strokes, undo, and what has to be drawn again. */
import type { Point } from '../../pictures/view';
import { paintLine, type Area, type Brush, type Mask } from './mask';
import { Strokes } from './strokes';

export class Painting {
  undoable = $state(false);
  redoable = $state(false);
  /** Whether anything was done since it began. */
  changed = $state(false);
  /** Draws a part of the mask; who shows the mask sets it. */
  draw: (area: Area) => void = () => undefined;

  private readonly strokes: Strokes;
  private stroke: { last: Point; brush: Brush } | null = null;

  constructor(
    readonly mask: Mask,
    abandoned: Mask | null = null,
  ) {
    this.strokes = new Strokes(mask, abandoned);
    this.redoable = this.strokes.redoable;
  }

  /** One step: something that paints at once. */
  step(paint: (mask: Mask) => Area | null): void {
    this.endStroke();
    this.strokes.begin();
    this.touch(paint(this.mask));
    this.end();
  }

  beginStroke(at: Point, brush: Brush): void {
    this.endStroke();
    this.strokes.begin();
    this.stroke = { last: at, brush };
    this.strokeTo(at);
  }

  /** Goes on to a point; nothing where no stroke was begun. */
  strokeTo(at: Point): void {
    if (!this.stroke) return;
    this.touch(paintLine(this.mask, this.stroke.last, at, this.stroke.brush));
    this.stroke.last = at;
  }

  endStroke(): void {
    if (!this.stroke) return;
    this.stroke = null;
    this.end();
  }

  /** The stroke was none after all: a second finger came. */
  cancelStroke(): void {
    if (!this.stroke) return;
    this.stroke = null;
    this.redraw(this.strokes.cancel());
  }

  undo(): void {
    this.endStroke();
    this.redraw(this.strokes.undo());
    this.tell();
  }

  redo(): void {
    this.endStroke();
    this.redraw(this.strokes.redo());
    this.tell();
  }

  private touch(area: Area | null): void {
    this.strokes.touch(area);
    this.redraw(area);
  }

  private end(): void {
    this.strokes.end();
    this.tell();
  }

  private redraw(area: Area | null): void {
    if (area) this.draw(area);
  }

  private tell(): void {
    this.undoable = this.strokes.undoable;
    this.redoable = this.strokes.redoable;
    this.changed = this.undoable;
  }
}
