/** What the canvas knows of runs: what each node is doing, and what would run next. Never part of the file. */
import { SvelteMap } from 'svelte/reactivity';
import { BridgeError, Offline, type Bridge, type Follow } from '../../core/server/bridge';
import { describeProblem } from '../../core/view/problems';
import { staleSince } from '../../core/view/stale';
import type { PlanStatus, Problem, RunEvent, Summary, WorkflowJson } from '../../core/workflow/types';

export type Activity = 'waiting' | 'running' | 'done' | 'reused' | 'failed' | 'skipped' | 'stopped';

/** One node in the newest run that touched it. Replaced as a whole: readers see each change. */
export interface NodeRun {
  activity: Activity;
  step: number;
  steps: number;
  /** When it started, in seconds since the run did, and how long it took or has taken so far. */
  since: number;
  seconds: number;
  /** A picture to show: data URL of a live preview, or of what came out. */
  preview: string;
  /** Files that were written, full size. */
  urls: string[];
  /** Values of its scalar outputs, by port. */
  values: Record<string, unknown>;
  /** What it found, in a few words: the system and size of a checkpoint. */
  found: string;
  error: string;
  details: string;
  warnings: string[];
}

const NEW: NodeRun = {
  activity: 'waiting',
  step: 0,
  steps: 0,
  since: 0,
  seconds: 0,
  preview: '',
  urls: [],
  values: {},
  found: '',
  error: '',
  details: '',
  warnings: [],
};

const PLAN_DELAY = 180;

export class Runs {
  /** By node id. */
  nodes = new SvelteMap<string, NodeRun>();
  /** The run that is queued or running; empty where there is none. */
  current = $state('');
  /** How many runs are before it. */
  position = $state(0);
  stopping = $state(false);
  /** Whether the current run may still be fetching checkpoints: until it is planned. */
  fetching = $state(false);
  /** How far the download of a checkpoint is, in bytes. */
  fetched = $state.raw<{ name: string; done: number; total: number } | null>(null);
  /** Whether the connection to the server stands. */
  online = $state(true);
  /** How the last run ended. */
  last = $state<'ok' | 'failed' | 'cancelled' | ''>('');
  seconds = $state(0);
  problems = $state.raw<Problem[]>([]);
  /** Counts finished runs: the gallery looks again. */
  finished = $state(0);

  private planned = $state.raw<Record<string, PlanStatus>>({});
  private because = $state.raw<Record<string, string>>({});
  private plannedFor = $state.raw<WorkflowJson | null>(null);
  private now = $state.raw<WorkflowJson | null>(null);
  private stale = $derived(
    this.plannedFor && this.now ? staleSince(this.plannedFor, this.now) : new Set<string>(),
  );
  private timer: ReturnType<typeof setTimeout> | undefined;
  private follower: Follow | null = null;
  private asked = 0;

  constructor(
    private readonly bridge: Bridge,
    private readonly complain: (message: string) => void,
  ) {}

  /** What a run would do with a node now; undefined as long as nobody knows. */
  statusOf(id: string): PlanStatus | 'stale' | undefined {
    return this.stale.has(id) ? 'stale' : this.planned[id];
  }

  /** Why the next run makes a node; undefined as long as nobody knows. */
  becauseOf(id: string): string | undefined {
    return this.stale.has(id) ? undefined : this.because[id];
  }

  /** How many nodes would run, and be reused. */
  get forecast(): { run: number; reuse: number } {
    const ids = Object.keys(this.now?.nodes ?? {});
    const statuses = ids.map((id) => this.statusOf(id));
    return {
      run: statuses.filter((status) => status === 'run' || status === 'stale').length,
      reuse: statuses.filter((status) => status === 'reuse').length,
    };
  }

  /** The workflow changed: what became stale is known at once, the plan a moment later. */
  changed(workflow: WorkflowJson, base: string): void {
    this.now = workflow;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.plan(workflow, base), PLAN_DELAY);
  }

  async plan(workflow: WorkflowJson, base: string): Promise<void> {
    const asked = ++this.asked;
    try {
      const answer = await this.bridge.plan(workflow, base, null);
      if (asked !== this.asked || answer.superseded) return;
      const { nodes, because, problems } = answer;
      this.problems = problems;
      if (!problems.length) {
        this.planned = nodes;
        this.because = because;
        this.plannedFor = workflow;
      }
      this.online = true;
    } catch (error) {
      if (asked !== this.asked) return;
      if (!(error instanceof Offline)) return this.complain(sentence(error));
      this.online = false;
      this.timer = setTimeout(() => void this.plan(workflow, base), 3000);
    }
  }

  /** Another workflow is on the canvas: nothing of the runs before counts. */
  forget(): void {
    this.follower?.stop();
    this.follower = null;
    this.nodes.clear();
    this.planned = {};
    this.because = {};
    this.plannedFor = null;
    this.problems = [];
    this.current = '';
    this.last = '';
  }

  async start(workflow: WorkflowJson, base: string, to: string | null, download = false): Promise<void> {
    if (this.current) return;
    this.last = '';
    this.stopping = false;
    try {
      const { run } = await this.bridge.start(workflow, base, to, download);
      this.follow(run, workflow, base, download);
    } catch (error) {
      this.complain(sentence(error));
    }
  }

  /** Shows a run from its beginning, also one that was started before the page was opened. */
  follow(run: string, workflow: WorkflowJson, base: string, fetching = false): void {
    this.current = run;
    this.fetching = fetching;
    this.fetched = null;
    this.position = 0;
    const onEvents = (events: RunEvent[]) => events.forEach((event) => this.apply(event));
    this.follower = this.bridge.follow(run, 0, onEvents, (online) => (this.online = online));
    void this.follower.done
      .catch((error: unknown) => this.complain(sentence(error)))
      .then(() => {
        if (this.current !== run) return;
        this.current = '';
        this.stopping = false;
        this.finished++;
        void this.plan(this.now ?? workflow, base);
      });
  }

  async cancel(): Promise<void> {
    if (!this.current) return;
    this.stopping = true;
    try {
      await this.bridge.cancel(this.current);
    } catch (error) {
      this.stopping = false;
      this.complain(sentence(error));
    }
  }

  apply(event: RunEvent): void {
    switch (event.event) {
      case 'queued':
        this.position = event.position;
        break;
      case 'fetching':
        this.fetched = event;
        break;
      case 'invalid':
        this.problems = event.problems;
        // Why a download failed is not in the plan that comes next.
        if (this.fetching) event.problems.forEach((problem) => this.complain(describeProblem(problem)));
        break;
      case 'planned':
        this.position = 0;
        this.fetching = false;
        for (const [id, status] of Object.entries(event.nodes)) this.expect(id, status);
        break;
      case 'started':
        this.set(event.node, { activity: 'running', step: 0, steps: 0, since: event.time, seconds: 0 });
        break;
      case 'progress':
        this.set(event.node, {
          activity: 'running',
          step: event.step,
          steps: event.steps,
          seconds: event.time - (this.nodes.get(event.node)?.since ?? event.time),
          ...(event.preview ? { preview: dataUrl(event.preview) } : {}),
        });
        break;
      case 'warning':
        this.set(event.node, {
          warnings: [...(this.nodes.get(event.node)?.warnings ?? []), event.message],
        });
        break;
      case 'finished':
        this.set(event.node, {
          activity: event.from === 'run' ? 'done' : 'reused',
          seconds: event.seconds,
          ...shown(event.outputs),
        });
        break;
      case 'failed':
        this.set(event.node, { activity: 'failed', error: event.error, details: event.details });
        break;
      case 'skipped':
        this.set(event.node, { activity: 'skipped' });
        break;
      case 'done':
        this.end(event.status, event.seconds);
        if (event.error) this.complain(event.error);
    }
  }

  private expect(id: string, status: PlanStatus): void {
    if (status === 'skip') return;
    const { preview, urls, values, found } = this.nodes.get(id) ?? NEW;
    this.nodes.set(id, { ...NEW, preview, urls, values, found });
  }

  private end(status: 'ok' | 'failed' | 'cancelled', seconds: number): void {
    this.last = status;
    this.seconds = seconds;
    this.fetching = false;
    for (const [id, node] of this.nodes) {
      if (node.activity === 'waiting' || node.activity === 'running') this.set(id, { activity: 'stopped' });
    }
  }

  private set(id: string, change: Partial<NodeRun>): void {
    this.nodes.set(id, { ...(this.nodes.get(id) ?? NEW), ...change });
  }
}

/** The picture, the files and the values among what a node made. */
function shown(outputs: Record<string, Summary>): Partial<NodeRun> {
  const summaries = Object.entries(outputs);
  const picture = summaries.map(([, summary]) => summary.thumbnail).find(Boolean);
  const values = summaries.filter(([, summary]) => summary.value !== undefined);
  const texts = new Set(summaries.map(([, summary]) => summary.text ?? '').filter(Boolean));
  return {
    found: [...texts].join(' · '),
    urls: summaries.flatMap(([, summary]) => summary.urls ?? []),
    values: Object.fromEntries(values.map(([port, summary]) => [port, summary.value])),
    ...(picture ? { preview: dataUrl(picture) } : {}),
  };
}

/** Base64 of a JPEG or WebP as a URL. */
function dataUrl(base64: string): string {
  return `data:image/${base64.startsWith('UklGR') ? 'webp' : 'jpeg'};base64,${base64}`;
}

export function sentence(error: unknown): string {
  if (error instanceof Offline) return 'The server does not answer; your edits are kept here.';
  if (error instanceof BridgeError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
