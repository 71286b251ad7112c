/**
 * The bridge over Gradio: questions are server functions of the component, everything else are our own routes
 * beside it. Addresses that the server gives start with `/`: they are put below where the app is mounted.
 */
import {
  BridgeError,
  Offline,
  type ActiveRun,
  type Bridge,
  type Follow,
  type Hello,
  type Loaded,
  type Opened,
  type Planned,
  type QueueEntry,
  type Result,
  type SaveAnswer,
  type SavedVersion,
  type SavedWorkflow,
  type UploadedPicture,
} from './bridge';
import { newId } from '../workflow/ids';
import { readStream } from './stream';
import type { RunEvent, Summary, WorkflowJson } from '../workflow/types';

/** What the page gives the canvas. */
export interface Host {
  /** The server functions of the component; each takes one argument. */
  server: Record<string, (fields: string) => Promise<unknown>>;
  /** Where the app is mounted: "" or "/some/path", without a slash at the end. */
  root: string;
  fetch?: typeof fetch;
  /** Waits, in milliseconds. */
  pause?: (time: number) => Promise<void>;
}

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5000;
const AWAY = 'The server cannot be reached at the moment.';
const OUT = 'You are not logged in any more: reload the page.';

export function gradioBridge(host: Host): Bridge {
  const { server, root } = host;
  const get = host.fetch ?? ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, init));
  /** Tells this page from others of the same person: the plan of a newer edit ends that of an older one. */
  const tab = newId();
  const pause = host.pause ?? ((time: number) => new Promise<void>((resolve) => setTimeout(resolve, time)));
  const at = (path: string) => (path.startsWith('/') ? root + path : path);

  async function ask<T>(question: string, fields: object = {}): Promise<T> {
    let text: unknown;
    try {
      text = await server[question]!(JSON.stringify(fields));
    } catch {
      text = undefined; // Gradio says no more than that it did not work
    }
    if (typeof text !== 'string') throw await whyNoAnswer();
    const { answer, error } = JSON.parse(text) as { answer: T; error?: string };
    if (error !== undefined) throw new BridgeError(error);
    return answer;
  }

  async function whyNoAnswer(): Promise<BridgeError> {
    try {
      const { ok, status } = await get(root + '/kandinsky/here', { cache: 'no-store' });
      if (ok) return new BridgeError('The server could not answer.');
      return status === 401 ? new BridgeError(OUT) : new Offline(AWAY);
    } catch {
      return new Offline(AWAY);
    }
  }

  async function post<T>(path: string, body: Blob): Promise<T> {
    let response: Response;
    try {
      response = await get(root + path, { method: 'POST', body });
    } catch {
      throw new Offline(AWAY);
    }
    if (response.status === 401) throw new BridgeError(OUT);
    const answer = (await response.json().catch(() => ({}))) as T & { error?: string };
    if (!response.ok) throw new BridgeError(answer.error ?? `The server answered with ${response.status}.`);
    return answer;
  }

  function follow(
    run: string,
    since: number,
    onEvents: (events: RunEvent[]) => void,
    online: (connected: boolean) => void,
  ): Follow {
    const aborter = new AbortController();
    let next = since;
    let over = false;

    function take(text: string): void {
      const events = (JSON.parse(text) as RunEvent[]).filter((event) => event.seq >= next);
      if (!events.length) return;
      next = events[events.length - 1]!.seq + 1;
      over = events.some((event) => event.event === 'done');
      onEvents(events.map(located));
    }

    /** True when there is nothing more to come. */
    async function listen(connected: () => void): Promise<boolean> {
      const response = await get(`${root}/kandinsky/runs/${run}/events?since=${next}`, {
        signal: aborter.signal,
        cache: 'no-store',
      });
      if (response.status === 401 || response.status === 404) {
        // The server has started anew, or it is somebody else's now: this run will never tell more.
        const error = response.status === 401 ? OUT : 'The server does not know this run any more.';
        over = true;
        connected();
        onEvents([
          { event: 'done', run, seq: next, time: 0, status: 'failed', seconds: 0, outputs: {}, error },
        ]);
        return true;
      }
      if (!response.ok || !response.body) throw new Error(String(response.status));
      connected();
      await readStream(response.body, take);
      return over;
    }

    async function work(): Promise<void> {
      let wait = FIRST_PAUSE;
      while (!over && !aborter.signal.aborted) {
        try {
          const ended = await listen(() => {
            wait = FIRST_PAUSE;
            online(true);
          });
          if (ended) return;
        } catch {
          if (aborter.signal.aborted) return;
        }
        online(false);
        await pause(wait);
        wait = Math.min(2 * wait, LONGEST_PAUSE);
      }
    }

    return { done: work(), stop: () => aborter.abort() };
  }

  function located(event: RunEvent): RunEvent {
    if (event.event !== 'finished') return event;
    const outputs: Record<string, Summary> = {};
    for (const [port, summary] of Object.entries(event.outputs)) {
      outputs[port] = summary.urls ? { ...summary, urls: summary.urls.map(at) } : summary;
    }
    return { ...event, outputs };
  }

  return {
    async hello() {
      const hello = await ask<Hello>('hello');
      return {
        ...hello,
        templates: hello.templates.map((item) => ({ ...item, thumbnail: at(item.thumbnail) })),
      };
    },

    logOut: async () => void (await post('/kandinsky/logout', new Blob())),

    plan: (workflow, base, to) => ask<Planned>('plan', { workflow, base, to, tab }),
    start: (workflow, base, to, download) =>
      ask<{ run: string }>('start', { workflow, base, to, ...(download ? { download } : {}) }),
    cancel: async (run) => void (await ask('cancel', { run })),
    active: () => ask<ActiveRun[]>('active'),
    queue: () => ask<QueueEntry[]>('queue'),
    follow,

    async list() {
      const saved = await ask<SavedWorkflow[]>('saved');
      return saved.map((item) => ({ ...item, thumbnail: at(item.thumbnail) }));
    },
    load: (name) => ask<Loaded>('load', { name }),
    save: (name, workflow, revision) => ask<SaveAnswer>('save', { name, workflow, revision }),
    remove: async (name) => void (await ask('remove', { name })),
    versions: (name) => ask<SavedVersion[]>('versions', { name }),
    version: (name, id) => ask<WorkflowJson>('old_version', { name, id }),

    fileText: (workflow, base, pictures) => ask<string>('file_text', { workflow, base, pictures }),
    open: (file) => post<Opened>('/kandinsky/open', file),

    async upload(file) {
      const uploaded = await post<UploadedPicture>('/kandinsky/picture', file);
      return { ...uploaded, url: at(uploaded.url) };
    },
    pictureUrl(value) {
      const content = /^sha256:([0-9a-f]{64})$/.exec(value);
      if (content) return `${root}/kandinsky/picture/${content[1]}`;
      return value ? `${root}/kandinsky/template/picture/${encodeURIComponent(value)}` : '';
    },
    async results(workflow) {
      const results = await ask<Result[]>('results', { workflow });
      return results.map((item) => ({ ...item, url: at(item.url), thumbnail: at(item.thumbnail) }));
    },
    resultWorkflow: (id) => ask<WorkflowJson>('result_workflow', { id }),

    showForm(workflow, base) {
      // The tab is opened at once: later, the browser would take it for one that nobody asked for.
      const tab = window.open('about:blank');
      ask<{ draft: string }>('draft', { workflow, base }).then(
        ({ draft }) => {
          if (tab) tab.location.href = `${root}/form?draft=${draft}`;
        },
        (error: unknown) => {
          if (tab) tab.document.body.textContent = error instanceof Error ? error.message : String(error);
        },
      );
    },
  };
}
