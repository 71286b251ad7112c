/** What the server says of node types and wire types (`graph/catalogue_json.py`), and the workflow file (the contract). */

export interface WireTypeSpec {
  title: string;
  colour: string;
  help: string;
  handle: boolean;
  /** The types of the inputs that an output of this type may be linked to. */
  fits: string[];
}

export interface PortSpec {
  name: string;
  type: string;
  required: boolean;
  /** A list port: takes several wires, in order. */
  many: boolean;
  /** Whether an input of type "any" takes handles as well. */
  handles: boolean;
  help: string;
}

export interface ParamSpec {
  name: string;
  type: string;
  default: unknown;
  nullable: boolean;
  many: boolean;
  /** May be linked to a constant node only. */
  fixed: boolean;
  widget: 'plain' | 'multiline' | 'seed' | 'file' | 'choices';
  help: string;
  range?: { low: number; high: number; step: number | null };
  choices?: (string | boolean)[];
  /** What people read instead of the choices. */
  labels?: string[];
  file?: 'image' | 'mask' | 'tensors';
}

export interface NodeSpec {
  id: string;
  title: string;
  group: string;
  version: number;
  help: string;
  effects: boolean;
  inputs: PortSpec[];
  params: ParamSpec[];
  outputs: PortSpec[];
}

export interface CatalogueSpec {
  types: Record<string, WireTypeSpec>;
  nodes: Record<string, NodeSpec>;
}

// The workflow file.

/** `"node.port"`, or the same with what the canvas keeps of the wire. */
export type LinkJson = string | { from: string; ui?: LinkUi };
export interface LinkUi {
  /** Points that the wire runs through, in canvas coordinates. */
  route?: [number, number][];
  [other: string]: unknown;
}

export type Mode = 'active' | 'muted' | 'bypassed';

export interface NodeUi {
  position?: [number, number];
  /** Width and height where the person changed them. */
  size?: [number, number];
  title?: string;
  colour?: string;
  collapsed?: boolean;
  /** Params that are shown as ports. */
  ports?: string[];
  /** Params that stand locked against rolling (seeds). */
  locked?: string[];
  /** `sha256:<hex>` -> what the file was called where the workflow was made. */
  files?: Record<string, string>;
  [other: string]: unknown;
}

export interface NodeJson {
  type: string;
  version?: number;
  mode?: Mode;
  inputs?: Record<string, LinkJson | LinkJson[]>;
  params?: Record<string, unknown>;
  ui?: NodeUi;
}

export interface InterfaceEntryJson {
  targets: string[];
  title?: string;
  help?: string;
}

export interface Group {
  id: string;
  title: string;
  colour: string;
  /** x, y, width, height in canvas coordinates. */
  box: [number, number, number, number];
}

export interface WorkflowUi {
  /** Names this workflow for its gallery, whatever file it is saved in. */
  id?: string;
  groups?: Group[];
  viewport?: { x: number; y: number; zoom: number };
  [other: string]: unknown;
}

export interface WorkflowJson {
  format: 'kandinsky-workflow';
  version: 1;
  name?: string;
  description?: string;
  requires?: Record<string, string>;
  nodes: Record<string, NodeJson>;
  interface?: {
    inputs?: Record<string, string | InterfaceEntryJson>;
    outputs?: Record<string, string | InterfaceEntryJson>;
  };
  definitions?: unknown;
  ui?: WorkflowUi;
  assets?: Record<string, string>;
}

// Runs (section 5 of the contract).

export interface Problem {
  message: string;
  node?: string;
  port?: string;
  param?: string;
  expected?: string;
  nearest?: string;
  /** How large a download is that would mend it: "3.7 GB". */
  fetch?: string;
}

export type PlanStatus = 'run' | 'reuse' | 'skip';

/** What an event says of an output; pictures come with URLs that only their owner can read. */
export interface Summary {
  type?: string;
  shape?: number[];
  value?: unknown;
  /** What a handle says of itself: which system, how large. */
  text?: string;
  files?: string[];
  /** Base64 of a small JPEG or WebP. */
  thumbnail?: string;
  thumbnails?: string[];
  /** The written files as URLs, in the order of `files`. */
  urls?: string[];
}

interface Stamp {
  /** Counts the events of one run from 0. */
  seq: number;
  run: string;
  time: number;
}

export type RunEvent = Stamp &
  (
    | { event: 'queued'; position: number }
    | { event: 'fetching'; name: string; done: number; total: number }
    | { event: 'invalid'; problems: Problem[] }
    | { event: 'planned'; nodes: Record<string, PlanStatus> }
    | { event: 'started'; node: string }
    | { event: 'progress'; node: string; step: number; steps: number; preview?: string }
    | { event: 'warning'; node: string; message: string }
    | {
        event: 'finished';
        node: string;
        seconds: number;
        from: 'run' | 'memory' | 'disk';
        outputs: Record<string, Summary>;
      }
    | { event: 'failed'; node: string; error: string; details: string }
    | { event: 'skipped'; node: string; because: string }
    | {
        event: 'done';
        status: 'ok' | 'failed' | 'cancelled';
        seconds: number;
        outputs: Record<string, unknown>;
        error?: string;
      }
  );
