import { describe, expect, it, vi } from 'vitest';
import { BridgeError, Offline } from '../../../src/core/server/bridge';
import { gradioBridge, type Host } from '../../../src/core/server/gradio';
import type { RunEvent, WorkflowJson } from '../../../src/core/workflow/types';

const WORKFLOW: WorkflowJson = { format: 'kandinsky-workflow', version: 1, nodes: {} };

/** A server that answers each address with the next of its answers. */
function serving(answers: Record<string, (() => Response)[]>) {
  const asked: string[] = [];
  const get = (input: RequestInfo | URL) => {
    const path = String(input);
    asked.push(path);
    const next = answers[path.split('?')[0]!]?.shift();
    return next ? Promise.resolve().then(next) : Promise.reject(new TypeError('Failed to fetch'));
  };
  return { asked, fetch: get as typeof fetch };
}

function bridge(host: Partial<Host>) {
  return gradioBridge({ server: {}, root: '/studio', pause: () => Promise.resolve(), ...host });
}

const here = (status: number) => ({ '/studio/kandinsky/here': [() => new Response(null, { status })] });

/** The end of a stream that breaks: what came before it is there. */
function broken(text: string): Response {
  const chunks = [new TextEncoder().encode(text)];
  const body = new ReadableStream<Uint8Array>({
    pull(control) {
      const chunk = chunks.shift();
      if (chunk) control.enqueue(chunk);
      else control.error(new TypeError('network error'));
    },
  });
  return new Response(body);
}

const event = (seq: number, more: object): RunEvent => ({ seq, run: 'r', time: 0, ...more }) as RunEvent;
const data = (...events: RunEvent[]) => `data: ${JSON.stringify(events)}\n\n`;

describe('questions', () => {
  it('travel as JSON text, and so do the answers', async () => {
    const asked: string[] = [];
    const server = {
      plan: (text: string) => {
        asked.push(text);
        return Promise.resolve(
          JSON.stringify({ answer: { problems: [], nodes: { a: 'run' }, because: { a: 'new' } } }),
        );
      },
    };
    const answer = await bridge({ server }).plan(WORKFLOW, 'template', 'a');
    expect(answer.nodes).toEqual({ a: 'run' });
    expect(JSON.parse(asked[0]!)).toEqual({
      workflow: WORKFLOW,
      base: 'template',
      to: 'a',
      tab: expect.stringMatching(/.{10,}/),
    });
  });

  it('that are refused say why', async () => {
    const server = { load: () => Promise.resolve(JSON.stringify({ error: 'there is no such workflow' })) };
    await expect(bridge({ server }).load('x')).rejects.toThrow('there is no such workflow');
  });

  it.each([
    ['the server is away', {}, Offline],
    ['the login is gone', here(401), BridgeError],
    ['the server failed', here(204), BridgeError],
  ])('without an answer: %s', async (_, answers, kind) => {
    const { fetch } = serving(answers as Record<string, (() => Response)[]>);
    const error: unknown = await bridge({ server: { load: () => Promise.resolve(undefined) }, fetch })
      .load('x')
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(kind);
    expect(error instanceof Offline).toBe(kind === Offline);
  });

  it('give addresses below the place where the app is mounted', async () => {
    const saved = [
      { name: 'a', thumbnail: '/kandinsky/result/1/thumbnail' },
      { name: 'b', thumbnail: '' },
    ];
    const server = { saved: () => Promise.resolve(JSON.stringify({ answer: saved })) };
    const listed = await bridge({ server }).list();
    expect(listed.map((item) => item.thumbnail)).toEqual(['/studio/kandinsky/result/1/thumbnail', '']);
  });
});

describe('pictures', () => {
  it('are found by content or among those of the templates', () => {
    const { pictureUrl } = bridge({});
    const hex = 'a'.repeat(64);
    expect(pictureUrl(`sha256:${hex}`, '')).toBe(`/studio/kandinsky/picture/${hex}`);
    expect(pictureUrl('scene 1.png', 'template')).toBe('/studio/kandinsky/template/picture/scene%201.png');
    expect(pictureUrl('../x.png', 'template')).toBe('/studio/kandinsky/template/picture/..%2Fx.png');
    expect(pictureUrl('', '')).toBe('');
  });

  it('are uploaded as they are, and refused with a reason', async () => {
    const { fetch } = serving({
      '/studio/kandinsky/picture': [
        () => Response.json({ ref: 'sha256:1', url: '/kandinsky/picture/1', width: 2, height: 3 }),
        () => Response.json({ error: 'the file is no picture' }, { status: 422 }),
      ],
    });
    const { upload } = bridge({ fetch });
    expect((await upload(new Blob(['x']))).url).toBe('/studio/kandinsky/picture/1');
    await expect(upload(new Blob(['x']))).rejects.toThrow('the file is no picture');
    await expect(upload(new Blob(['x']))).rejects.toBeInstanceOf(Offline);
  });
});

describe('the form', () => {
  const opened = () => {
    const tab = { location: { href: '' }, document: { body: { textContent: '' } } };
    vi.spyOn(window, 'open').mockReturnValue(tab as unknown as Window);
    return tab;
  };

  it('opens in a tab of its own, with the workflow as it is', async () => {
    const tab = opened();
    const server = { draft: () => Promise.resolve(JSON.stringify({ answer: { draft: 'd1' } })) };
    bridge({ server }).showForm(WORKFLOW, 'template');
    await vi.waitFor(() => expect(tab.location.href).toBe('/studio/form?draft=d1'));
  });

  it('says in that tab why it cannot be shown', async () => {
    const tab = opened();
    const server = { draft: () => Promise.resolve(JSON.stringify({ error: 'this is no workflow' })) };
    bridge({ server }).showForm(WORKFLOW, 'template');
    await vi.waitFor(() => expect(tab.document.body.textContent).toBe('this is no workflow'));
  });
});

describe('following a run', () => {
  const events = '/studio/kandinsky/runs/r/events';

  it('goes on where the connection broke, and says so', async () => {
    const { fetch, asked } = serving({
      [events]: [
        () => broken(data(event(0, { event: 'queued', position: 0 })) + 'data: [{"seq": 1, "ev'),
        () => Promise.reject(new TypeError('Failed to fetch')) as never,
        () => new Response(': still here\n\n' + data(event(1, { event: 'planned', nodes: {} }))),
        () => new Response(data(event(2, { event: 'done', status: 'ok' }))),
      ],
    });
    const seen: number[] = [];
    const online: boolean[] = [];
    const following = bridge({ fetch }).follow(
      'r',
      0,
      (batch) => seen.push(...batch.map((item) => item.seq)),
      (connected) => online.push(connected),
    );
    await following.done;
    expect(seen).toEqual([0, 1, 2]);
    expect(asked.map((path) => path.split('=')[1])).toEqual(['0', '1', '1', '2']);
    expect(online).toEqual([true, false, false, true, false, true]);
  });

  it('drops what came before, and puts files below the place where the app is mounted', async () => {
    const outputs = {
      image: { type: 'image', urls: ['/kandinsky/result/1'] },
      other: { type: 'int', value: 3 },
    };
    const { fetch } = serving({
      [events]: [
        () =>
          new Response(
            data(
              event(3, { event: 'started', node: 'a' }),
              event(4, { event: 'finished', node: 'a', outputs }),
              event(5, { event: 'done', status: 'ok' }),
            ),
          ),
      ],
    });
    const seen: RunEvent[] = [];
    await bridge({ fetch }).follow(
      'r',
      4,
      (batch) => seen.push(...batch),
      () => undefined,
    ).done;
    expect(seen.map((item) => item.seq)).toEqual([4, 5]);
    expect(seen[0]).toMatchObject({
      outputs: { image: { urls: ['/studio/kandinsky/result/1'] }, other: { type: 'int', value: 3 } },
    });
  });

  it('ends with an error when the server knows the run no more', async () => {
    const { fetch } = serving({ [events]: [() => Response.json({ error: 'not known' }, { status: 404 })] });
    const seen: RunEvent[] = [];
    await bridge({ fetch }).follow(
      'r',
      7,
      (batch) => seen.push(...batch),
      () => undefined,
    ).done;
    expect(seen).toMatchObject([{ event: 'done', status: 'failed', seq: 7 }]);
  });

  it('stops when nobody looks any more', async () => {
    let asked = 0;
    const never = ((_: unknown, init: RequestInit) =>
      new Promise((_resolve, reject) => {
        asked += 1;
        init.signal!.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      })) as unknown as typeof fetch;
    const following = bridge({ fetch: never }).follow(
      'r',
      0,
      () => undefined,
      () => undefined,
    );
    following.stop();
    await following.done;
    expect(asked).toBe(1);
  });
});
