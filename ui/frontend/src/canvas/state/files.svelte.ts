/** Which file the canvas shows: where it is saved, whether it differs from what is saved, and the browser's copy. */
import type { Bridge, SaveAnswer } from '../../core/server/bridge';
import { forgetAll } from '../../core/server/kept';
import { isWorkflow } from '../../core/view/clipboard';
import { setTopUi } from '../../core/workflow/edits';
import { newId } from '../../core/workflow/ids';
import { sane } from '../../core/workflow/sane';
import type { WorkflowJson } from '../../core/workflow/types';
import type { Editor } from './editor.svelte';

interface Draft {
  /** Whose it is: the name of who is logged in, null without a login. */
  user: string | null;
  workflow: WorkflowJson;
  base: string;
  name: string;
  revision: string | null;
  dirty: boolean;
  time: number;
}

const PREFIX = 'kandinsky-canvas:draft:';
const TAB = 'kandinsky-canvas:tab';
const DELAY = 400;
const MOST_DRAFTS = 8;

export class OpenFile {
  /** The name on the server; empty for one that was never saved there. */
  name = $state('');
  /** What lay on the server when it was opened or saved. */
  revision: string | null = $state(null);
  base = $state('');
  saving = $state(false);
  private saved = $state.raw<WorkflowJson | null>(null);
  readonly dirty = $derived.by(() => this.saved !== this.editor.workflow);

  private timer: ReturnType<typeof setTimeout> | undefined;
  private full = false;
  private forgotten = false;

  constructor(
    private readonly editor: Editor,
    private readonly bridge: Bridge,
    private readonly user: string | null,
    private readonly warn: (message: string) => void,
  ) {}

  /** Puts a workflow onto the canvas as what is open now; returns what of it could not be read. */
  open(workflow: WorkflowJson, from: { base: string; name?: string; revision?: string | null }): string[] {
    const { workflow: read, dropped } = sane(workflow);
    this.editor.open(read.ui?.id ? read : setTopUi(read, { id: newId() }));
    this.base = from.base;
    this.name = from.name ?? '';
    this.revision = from.revision ?? null;
    this.saved = this.editor.workflow;
    return dropped;
  }

  /** Puts what lies on the server under this name onto the canvas, as an edit. */
  take(workflow: WorkflowJson, name: string, revision: string): string[] {
    const { workflow: read, dropped } = sane(workflow);
    this.editor.open(read, `Open what is saved as ${name}`);
    this.name = name;
    this.revision = revision;
    this.saved = this.editor.workflow;
    return dropped;
  }

  /** Saves under a name; `force`: over whatever is there. The workflow stays open whatever the answer is. */
  async save(name: string, workflow: WorkflowJson, force = false): Promise<SaveAnswer> {
    this.saving = true;
    const shown = this.editor.workflow;
    try {
      const revision = force ? '*' : name === this.name ? this.revision : null;
      const answer = await this.bridge.save(name, workflow, revision);
      if (answer.status === 'saved') {
        this.name = name;
        this.revision = answer.revision;
        this.saved = shown;
        this.keep();
      }
      return answer;
    } finally {
      this.saving = false;
    }
  }

  /** What is open is saved under another name from now on. */
  renamed(name: string, revision: string): void {
    this.name = name;
    this.revision = revision;
    this.keep();
  }

  // The browser's copy: nothing is lost when a tab is closed or the server goes away.

  /** Keeps the workflow in the browser a moment from now. */
  keepSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), DELAY);
  }

  keep(): void {
    clearTimeout(this.timer);
    if (this.forgotten) return;
    const draft: Draft = {
      user: this.user,
      workflow: this.editor.workflow,
      base: this.base,
      name: this.name,
      revision: this.revision,
      dirty: this.dirty,
      time: Date.now(),
    };
    try {
      localStorage.setItem(PREFIX + tab(), JSON.stringify(draft));
      this.full = false;
    } catch {
      if (!this.full) this.warn('The browser has no room to keep this workflow: save it on the server.');
      this.full = true;
    }
  }

  /** The person has logged out: nothing is kept from now on, nor is what was. */
  forget(): void {
    clearTimeout(this.timer);
    this.forgotten = true;
    forgetAll();
  }

  /** Opens what this tab showed last, or in a new tab what was edited last in any; false where there is nothing. */
  restore(): boolean {
    const drafts = allDrafts(this.user);
    const own = drafts.find(([key]) => key === PREFIX + tab());
    const [, draft] = own ?? drafts[0] ?? [];
    for (const [key] of drafts.slice(MOST_DRAFTS)) localStorage.removeItem(key);
    if (!draft) return false;
    this.editor.open(sane(draft.workflow).workflow);
    this.base = draft.base;
    this.name = draft.name;
    this.revision = draft.revision;
    this.saved = draft.dirty ? null : this.editor.workflow;
    return true;
  }
}

/** The name of this tab, which outlives a reload. */
function tab(): string {
  let name = sessionStorage.getItem(TAB);
  if (!name) sessionStorage.setItem(TAB, (name = newId()));
  return name;
}

/** What is kept of this person, newest first; what is somebody else's is removed. */
function allDrafts(user: string | null): [string, Draft][] {
  const drafts: [string, Draft][] = [];
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) continue;
    try {
      const draft = JSON.parse(localStorage.getItem(key) ?? '') as Draft;
      if ((draft.user ?? null) !== user) localStorage.removeItem(key);
      else if (isWorkflow(draft.workflow)) drafts.push([key, draft]);
    } catch {
      localStorage.removeItem(key);
    }
  }
  return drafts.sort(([, a], [, b]) => b.time - a.time);
}
