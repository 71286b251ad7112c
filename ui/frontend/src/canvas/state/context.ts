/** What every part of the canvas can reach. */
import { getContext, setContext } from 'svelte';
import type { Bridge } from '../../core/server/bridge';
import type { Catalogue } from '../../core/server/catalogue';
import type { Shown } from '../../core/view/shown';
import type { Editor, Loose } from './editor.svelte';
import type { Runs } from './runs.svelte';

export interface CanvasContext {
  bridge: Bridge;
  catalogue: Catalogue;
  editor: Editor;
  runs: Runs;
  /** The folder that relative paths of pictures start from, as the server names it. */
  base(): string;
  /** The difference that is shown on the canvas; null where there is none. */
  diff(): Shown | null;
  /** Runs everything, or just to a node. */
  run(to: string | null): void;
  /** Opens the search for a node type at a place of the screen. */
  search(at: { x: number; y: number }, loose?: Loose): void;
  /** Opens the menu of a node, or of one of its params. */
  menu(at: { x: number; y: number }, node: string, param?: string): void;
  /** Shows pictures of a node full size. */
  look(node: string): void;
  /** Says something in passing. */
  say(message: string, kind?: 'info' | 'error'): void;
  /** The nodes whose elements are on the page: xyflow measures those by itself. */
  mounted: Set<string>;
}

const KEY = Symbol('canvas');

export function provideCanvas(context: CanvasContext): void {
  setContext(KEY, context);
}

export function useCanvas(): CanvasContext {
  return getContext<CanvasContext>(KEY);
}
