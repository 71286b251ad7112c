/** One person at one canvas: what is open, what runs, and everything that can be done, by pointer or by key. */
import type { Bridge, Hello, QueueEntry, Result, Template } from '../../core/server/bridge';
import { Catalogue } from '../../core/server/catalogue';
import { isWorkflow, readPaste } from '../../core/view/clipboard';
import { emptyWorkflow, setParam } from '../../core/workflow/edits';
import { download, fileName, kindOf, mayCarryWorkflow, refuse } from '../../core/server/files';
import { announceLogout } from '../../core/server/kept';
import { recall } from '../../core/view/recall';
import { rollSeeds } from '../../core/view/seeds';
import { showDiff, type Shown } from '../../core/view/shown';
import { Toasts } from '../../core/view/toasts.svelte';
import type { WorkflowJson } from '../../core/workflow/types';
import { Editor } from './editor.svelte';
import { OpenFile } from './files.svelte';
import { Runs, sentence } from './runs.svelte';

export interface Picture {
  url: string;
  title: string;
  caption?: string;
}

/** Another state of the workflow that is looked at; the canvas takes no edits meanwhile. */
export interface Looking {
  how: 'look' | 'compare';
  workflow: WorkflowJson;
  label: string;
}

const MOST_DROPPED = 200;
const ROLL = 'kandinsky-canvas:roll';

export class Session {
  readonly catalogue: Catalogue;
  readonly editor: Editor;
  readonly runs: Runs;
  readonly file: OpenFile;
  readonly toasts = new Toasts();

  looking = $state.raw<Looking | null>(null);
  results = $state.raw<Result[]>([]);
  queue = $state.raw<QueueEntry[]>([]);
  roll = $state(false);
  /** Somebody else saved meanwhile: what the person has to decide. */
  conflict = $state.raw<{ name: string; modified: number; revision: string } | null>(null);

  readonly shown = $derived.by((): Shown | null => {
    if (!this.looking) return null;
    const { how, workflow } = this.looking;
    if (how === 'compare') return showDiff(workflow, this.editor.workflow);
    return { nodes: new Map(), wires: new Map(), merged: workflow, cut: [] };
  });

  constructor(
    readonly bridge: Bridge,
    readonly hello: Hello,
  ) {
    this.catalogue = new Catalogue(hello.catalogue);
    this.editor = new Editor(this.catalogue);
    this.runs = new Runs(bridge, (message) => this.complain(message));
    this.file = new OpenFile(this.editor, bridge, hello.user, (message) => this.complain(message));
    this.roll = localStorage.getItem(ROLL) === 'true';
  }

  say(message: string): void {
    this.toasts.say(message);
  }

  complain(error: unknown, details = ''): void {
    this.toasts.say(typeof error === 'string' ? error : sentence(error), 'error', details);
  }

  /** Does something that asks the server; what goes wrong is said in one sentence. */
  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.complain(error);
      return undefined;
    }
  }

  // Opening

  /** What the canvas shows first: what this browser had, else the first template. */
  async begin(): Promise<void> {
    const restored = this.file.restore();
    const first = this.hello.templates.find(({ id }) => id === 'text_to_image') ?? this.hello.templates[0];
    if (!restored) this.file.open(first?.workflow ?? emptyWorkflow(), { base: first?.base ?? '' });
    this.runs.changed(this.editor.workflow, this.file.base);
    const active = (await this.attempt(() => this.bridge.active())) ?? [];
    const mine = active.find(({ workflow }) => workflow.ui?.id === this.editor.workflow.ui?.id);
    const run = mine ?? (restored ? undefined : active[0]);
    if (run && !mine) this.file.open(run.workflow, { base: run.base });
    if (run) this.runs.follow(run.run, run.workflow, run.base);
    await this.refreshResults();
  }

  private show(workflow: WorkflowJson, from: Parameters<OpenFile['open']>[1]): void {
    this.stopLooking();
    this.file.keep();
    this.runs.forget();
    this.tellDropped(this.file.open(workflow, from));
    this.results = [];
    void this.refreshResults();
  }

  private tellDropped(dropped: string[]): void {
    if (dropped.length)
      this.complain(`What could not be read was left out: ${dropped.slice(0, 5).join(', ')}`);
  }

  openTemplate(template: Template): void {
    // A copy: its pictures and its gallery are its own.
    const { id: _, ...ui } = template.workflow.ui ?? {};
    this.show({ ...template.workflow, ui }, { base: template.base });
  }

  openEmpty(): void {
    this.show(emptyWorkflow(), { base: '' });
  }

  async openSaved(name: string): Promise<void> {
    const loaded = await this.attempt(() => this.bridge.load(name));
    if (loaded) this.show(loaded.workflow, { ...loaded, name });
  }

  /** Takes what somebody else saved meanwhile; what was here can be had back by undo. */
  async takeTheirs(name: string): Promise<void> {
    const loaded = await this.attempt(() => this.bridge.load(name));
    if (!loaded) return;
    this.stopLooking();
    this.tellDropped(this.file.take(loaded.workflow, name, loaded.revision));
  }

  /** Opens files that were dropped or chosen: one workflow, or pictures as nodes at that place. */
  async openFiles(files: File[], at: [number, number]): Promise<void> {
    if (files.length > MOST_DROPPED) {
      this.complain(`${files.length} files at once are too many: the first ${MOST_DROPPED} are taken`);
    }
    let place = at;
    for (const file of files.slice(0, MOST_DROPPED)) {
      const reason = refuse(file);
      if (reason) this.complain(reason);
      else if (kindOf(file) === 'workflow' || (await mayCarryWorkflow(file))) {
        if (await this.openFile(file, kindOf(file) === 'picture')) return;
        if (kindOf(file) === 'picture') place = await this.addPicture(file, place);
      } else place = await this.addPicture(file, place);
    }
  }

  private async openFile(file: File, quiet: boolean): Promise<boolean> {
    try {
      const { workflow } = await this.bridge.open(file, file.name);
      if (!isWorkflow(workflow)) throw new Error(`${file.name} is not a workflow`);
      this.show(workflow, { base: '' });
      const stem = file.name.replace(/\.\w+$/, '');
      if (!workflow.name) this.editor.edit('Name', { ...this.editor.workflow, name: stem });
      return true;
    } catch (error) {
      if (!quiet) this.complain(`${file.name}: ${sentence(error)}`);
      return false;
    }
  }

  private async addPicture(file: File, at: [number, number]): Promise<[number, number]> {
    const spec = Object.values(this.catalogue.spec.nodes).find((one) =>
      one.params.some((param) => param.file === 'image'),
    );
    const param = spec?.params.find((one) => one.file === 'image');
    const uploaded = spec && (await this.attempt(() => this.bridge.upload(file)));
    if (!spec || !param || !uploaded) return at;
    const id = this.editor.add(spec, at);
    this.editor.edit('Picture', setParam(this.editor.workflow, id, param.name, uploaded.ref));
    return [at[0] + 40, at[1] + 40];
  }

  /** Takes a paste: nodes, a whole workflow as text, or pictures. */
  async paste(data: DataTransfer, at: [number, number]): Promise<void> {
    const files = [...data.files];
    if (files.length) return this.openFiles(files, at);
    const text = data.getData('text/plain');
    const part = readPaste(text);
    if (part) this.editor.paste(part, at);
    else if (text.includes('kandinsky-workflow')) this.complain('The pasted text is not a whole workflow.');
  }

  // Saving

  /** Saves under a name; asks nothing, but never over what somebody else saved. */
  async save(name: string, force = false): Promise<boolean> {
    const answer = await this.attempt(() => this.file.save(name, this.fileWorkflow(), force));
    if (answer?.status === 'conflict') {
      this.conflict = { name, modified: answer.modified, revision: answer.revision };
      return false;
    }
    if (answer) this.say(`Saved as ${name}`);
    return !!answer;
  }

  /** Where the view is, told by the surface: it is saved with the file, but is no edit. */
  viewport: (() => { x: number; y: number; zoom: number }) | null = null;

  private fileWorkflow(): WorkflowJson {
    const { workflow } = this.editor;
    const view = this.viewport?.();
    if (!view) return workflow;
    const viewport = {
      x: Math.round(view.x),
      y: Math.round(view.y),
      zoom: Math.round(view.zoom * 1000) / 1000,
    };
    return { ...workflow, ui: { ...workflow.ui, viewport } };
  }

  async download(withPictures: boolean): Promise<void> {
    const { workflow } = this.editor;
    const text = await this.attempt(() => this.bridge.fileText(workflow, this.file.base, withPictures));
    if (text !== undefined) download(text, fileName(this.file.name || (workflow.name ?? '')));
  }

  // Other states of the workflow

  look(how: Looking['how'], workflow: WorkflowJson, label: string): void {
    this.looking = { how, workflow, label };
    this.editor.readOnly = true;
  }

  async compareWithSaved(name: string): Promise<void> {
    const theirs = await this.attempt(() => this.bridge.load(name));
    if (theirs) this.look('compare', theirs.workflow, `what is saved as ${name}`);
  }

  stopLooking(): void {
    this.looking = null;
    this.editor.readOnly = false;
  }

  restore(workflow: WorkflowJson, label: string): void {
    this.stopLooking();
    this.editor.open(workflow, label);
  }

  // Running

  /** `download`: the user agreed to fetch the checkpoints that are not there. */
  async run(to: string | null, download = false): Promise<void> {
    if (this.runs.current || this.editor.readOnly) return;
    if (this.roll) {
      this.editor.edit('Roll seeds', rollSeeds(this.editor.workflow, this.catalogue), 'roll');
    }
    this.file.keep();
    await this.runs.start(this.editor.workflow, this.file.base, to, download);
  }

  toggleRoll(): void {
    this.roll = !this.roll;
    localStorage.setItem(ROLL, String(this.roll));
  }

  /** Ends the login; nothing of this person stays in the browser. Whether it worked: then the page is to go, too. */
  async logOut(): Promise<boolean> {
    try {
      await this.bridge.logOut();
    } catch (error) {
      this.complain(error);
      return false;
    }
    this.file.forget();
    announceLogout();
    return true;
  }

  async refreshResults(): Promise<void> {
    const id = this.editor.workflow.ui?.id;
    if (id) this.results = (await this.attempt(() => this.bridge.results(id))) ?? this.results;
  }

  async refreshQueue(): Promise<void> {
    try {
      this.queue = await this.bridge.queue();
    } catch {
      // Nobody asked for it; the next time will do.
    }
  }

  /** The pictures that a node made, full size where there are files. */
  picturesOf(id: string): Picture[] {
    const run = this.runs.nodes.get(id);
    const title = this.editor.title(id);
    if (run?.urls.length) return run.urls.map((url) => ({ url, title }));
    return run?.preview
      ? [{ url: run.preview, title, caption: 'A small preview: save the picture to see it whole' }]
      : [];
  }

  recall(result: Result): void {
    const { workflow, changed, left } = recall(this.editor.workflow, this.catalogue, result.params);
    this.editor.edit('Put params back', workflow);
    const lost = left.map(({ target, why }) => `${target}: ${why}`).join('; ');
    if (lost) this.complain(`Not everything could be put back: ${lost}`);
    else
      this.say(
        changed.length ? `Put back: ${changed.join(', ')}` : 'These are the params that it has already',
      );
  }

  async openResult(result: Result): Promise<void> {
    const workflow = await this.attempt(() => this.bridge.resultWorkflow(result.id));
    if (workflow) this.show(workflow, { base: this.file.base });
  }
}
