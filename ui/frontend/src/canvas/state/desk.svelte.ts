/** What lies open on and beside the surface: one panel, one dialog, menus, pictures. */
import type { Loose } from './editor.svelte';
import type { Picture } from './session.svelte';

export type PanelName = '' | 'gallery' | 'form' | 'queue' | 'problems';
export type DialogName = '' | 'templates' | 'workflows' | 'save-as' | 'shortcuts' | 'find';

/** A place on the screen. */
export interface Spot {
  x: number;
  y: number;
}

export class Desk {
  panel = $state<PanelName>('');
  dialog = $state<DialogName>('');
  palette = $state(window.innerWidth > 800);
  minimap = $state(true);
  snap = $state(true);
  search = $state.raw<{ at: Spot; loose?: Loose } | null>(null);
  menu = $state.raw<{ at: Spot; node: string; param?: string } | null>(null);
  fileMenu = $state.raw<Spot | null>(null);
  /** The node that a wire is drawn from by keys. */
  wiring = $state('');
  renaming = $state('');
  lightbox = $state.raw<{ pictures: Picture[]; index: number } | null>(null);
  compared = $state.raw<[Picture, Picture] | null>(null);

  toggle(name: PanelName): void {
    this.panel = this.panel === name ? '' : name;
  }

  look(pictures: Picture[], index = 0): void {
    if (pictures.length) this.lightbox = { pictures, index };
  }
}
