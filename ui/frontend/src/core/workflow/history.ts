/** Undo and redo: whole workflows, which share everything that did not change. */

interface Entry<T> {
  state: T;
  /** What led to this state, in a few words: "Move 2 nodes". */
  label: string;
}

const MOST = 500;

export class History<T> {
  private past: Entry<T>[] = [];
  private future: Entry<T>[] = [];
  private merging: string | null = null;

  constructor(private now: Entry<T>) {}

  /** A new state. Edits that follow each other with the same `merge` become one step. */
  push(state: T, label: string, merge: string | null = null): void {
    if (merge === null || merge !== this.merging) {
      this.past.push(this.now);
      if (this.past.length > MOST) this.past.shift();
    }
    this.now = { state, label };
    this.future = [];
    this.merging = merge;
  }

  /** What comes next is a step of its own. */
  settle(): void {
    this.merging = null;
  }

  /** The label of the step that undo would take back; null where there is none. */
  get undoable(): string | null {
    return this.past.length ? this.now.label : null;
  }

  get redoable(): string | null {
    return this.future.at(-1)?.label ?? null;
  }

  undo(): T | null {
    const entry = this.past.pop();
    if (!entry) return null;
    this.future.push(this.now);
    this.now = entry;
    this.merging = null;
    return entry.state;
  }

  redo(): T | null {
    const entry = this.future.pop();
    if (!entry) return null;
    this.past.push(this.now);
    this.now = entry;
    this.merging = null;
    return entry.state;
  }
}
