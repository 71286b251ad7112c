/**
 * What the canvas asks of the server. The canvas knows nothing else of it: `gradio.ts` answers in the app,
 * tests answer for themselves.
 */
import type { CatalogueSpec, PlanStatus, Problem, RunEvent, WorkflowJson } from '../workflow/types';

/** What went wrong, as one sentence for people. */
export class BridgeError extends Error {}

/** The server cannot be reached at the moment; what was asked for may be asked again. */
export class Offline extends BridgeError {}

export interface Template {
  /** The file's name without its ending. */
  id: string;
  title: string;
  description: string;
  /** URL of what the template made; empty where there is no picture. */
  thumbnail: string;
  workflow: WorkflowJson;
  /** Of the folder that relative paths of pictures in it start from; goes with `start`, `plan` and `pictureUrl`. */
  base: string;
}

export interface Hello {
  catalogue: CatalogueSpec;
  templates: Template[];
  /** The name of who is logged in; null without a login. */
  user: string | null;
  /** Version of the product. */
  version: string;
  /** Devices that nodes may name. */
  devices: string[];
  /** Whether a click may agree to a download. */
  downloads: boolean;
}

export interface Planned {
  problems: Problem[];
  /** Empty where there are problems. */
  nodes: Record<string, PlanStatus>;
  /** A newer edit of this canvas is being planned: this answer says nothing. */
  superseded?: boolean;
  /** In what a node that will run differs from its last run. */
  because: Record<string, string>;
}

export interface ActiveRun {
  run: string;
  /** What is being run: its canvas shows it. */
  workflow: WorkflowJson;
  /** The node that is run to; null: everything. */
  to: string | null;
  base: string;
  /** 0 runs now; n: that many are before it. */
  position: number;
}

export interface QueueEntry {
  /** Empty for a run of somebody else. */
  run: string;
  /** The workflow's name; empty for somebody else's. */
  name: string;
  mine: boolean;
  /** 0 runs now. */
  position: number;
}

export interface SavedWorkflow {
  /** The name it is saved under: letters, digits, spaces, - and _; unique for its owner. */
  name: string;
  /** Seconds since 1970. */
  modified: number;
  revision: string;
  description: string;
  nodes: number;
  /** URL of its newest picture, or empty. */
  thumbnail: string;
}

export interface Loaded {
  workflow: WorkflowJson;
  /** Hash of the saved content: goes back with `save`. */
  revision: string;
  base: string;
}

export interface SavedVersion {
  id: string;
  /** Seconds since 1970. */
  time: number;
  nodes: number;
  /** What changed against the version before, in a few words. */
  summary: string;
}

export type SaveAnswer =
  | { status: 'saved'; revision: string }
  /** Somebody (another tab) saved in the meantime; `revision` is what lies there now. */
  | { status: 'conflict'; revision: string; modified: number };

export interface Opened {
  workflow: WorkflowJson;
}

export interface UploadedPicture {
  /** `sha256:<hex>`: the value of a path. */
  ref: string;
  url: string;
  width: number;
  height: number;
}

export interface Result {
  id: string;
  /** Seconds since 1970. */
  time: number;
  node: string;
  url: string;
  thumbnail: string;
  width: number;
  height: number;
  /** Params that made it, by `node.param`: those that were written or resolved. */
  params: Record<string, unknown>;
}

export interface Follow {
  /** Ends when the run is done, or `stop` was called. Reconnects by itself when the connection is lost. */
  done: Promise<void>;
  stop(): void;
}

export interface Bridge {
  hello(): Promise<Hello>;

  /** Ends the login. */
  logOut(): Promise<void>;

  /** What would run; `to`: just to this node. */
  plan(workflow: WorkflowJson, base: string, to: string | null): Promise<Planned>;
  /** `download`: the user agreed to fetch the checkpoints that are not there. */
  start(workflow: WorkflowJson, base: string, to: string | null, download: boolean): Promise<{ run: string }>;
  cancel(run: string): Promise<void>;
  /** One's own runs that are not done, oldest first. */
  active(): Promise<ActiveRun[]>;
  queue(): Promise<QueueEntry[]>;
  /** Every event of a run from number `since` on; tells `online(false)` while the connection is lost. */
  follow(
    run: string,
    since: number,
    onEvents: (events: RunEvent[]) => void,
    online: (connected: boolean) => void,
  ): Follow;

  list(): Promise<SavedWorkflow[]>;
  load(name: string): Promise<Loaded>;
  /** `revision`: what the canvas started from; null for a new file; "*" overwrites whatever is there. */
  save(name: string, workflow: WorkflowJson, revision: string | null): Promise<SaveAnswer>;
  remove(name: string): Promise<void>;
  versions(name: string): Promise<SavedVersion[]>;
  version(name: string, id: string): Promise<WorkflowJson>;

  /** The text of the file for a download; with pictures: `assets` are filled in. */
  fileText(workflow: WorkflowJson, base: string, withPictures: boolean): Promise<string>;
  /** A JSON file, or a picture that carries a workflow. */
  open(file: Blob, name: string): Promise<Opened>;

  upload(file: Blob): Promise<UploadedPicture>;
  /** Where the picture of a `path` or `painted` value can be seen. */
  pictureUrl(value: string, base: string): string;
  results(workflowId: string): Promise<Result[]>;
  /** The workflow that made a result, with the params that were really used. */
  resultWorkflow(id: string): Promise<WorkflowJson>;

  /** The page where the workflow is a form, and its API; opens in a new tab or the page's own tab. */
  showForm(workflow: WorkflowJson, base: string): void;
}
