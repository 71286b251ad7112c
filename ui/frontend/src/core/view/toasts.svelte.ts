/** Short messages to whoever sits at the canvas. */

export interface Toast {
  id: number;
  kind: 'info' | 'error';
  text: string;
  /** More, for those who want to know; empty where there is none. */
  details: string;
  /** Counts up when the same is said again while it is still shown. */
  times: number;
}

const MOST = 4;

export class Toasts {
  /** Oldest first. */
  list = $state.raw<Toast[]>([]);
  private next = 1;

  /** Says something. What is still shown is not shown twice; beyond four, the oldest goes, errors last. */
  say(text: string, kind: Toast['kind'] = 'info', details = ''): void {
    const shown = this.list.find((toast) => toast.text === text && toast.kind === kind);
    const toast = { id: shown?.id ?? this.next++, kind, text, details, times: (shown?.times ?? 0) + 1 };
    const list = [...this.list.filter((other) => other.id !== toast.id), toast];
    while (list.length > MOST) {
      const passing = list.findIndex((other) => other.kind === 'info');
      list.splice(passing < 0 || passing === list.length - 1 ? 0 : passing, 1);
    }
    this.list = list;
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
