import { describe, expect, it, vi } from 'vitest';
import { Runs } from '../src/canvas/state/runs.svelte';
import { BridgeError, type Bridge } from '../src/core/server/bridge';

const workflow = { format: 'kandinsky-workflow', version: 1, nodes: {} } as never;

function runsOf(bridge: Partial<Bridge>) {
  const complain = vi.fn();
  return { runs: new Runs(bridge as Bridge, complain), complain };
}

/** A run that was started with consent to downloads, and of which nothing has come yet. */
async function fetchingRun() {
  const follow = vi.fn(() => ({ done: new Promise<void>(() => {}), stop: vi.fn() }));
  const made = runsOf({ start: async () => ({ run: 'r' }), follow });
  await made.runs.start(workflow, '', null, true);
  return made;
}

describe('a run that fetches', () => {
  it('is no longer fetching once it is planned', async () => {
    const { runs } = await fetchingRun();
    expect(runs.fetching).toBe(true);
    runs.apply({ event: 'planned', run: 'r', seq: 0, time: 0, nodes: {} } as never);
    expect(runs.fetching).toBe(false);
  });

  it('knows how far the download is', async () => {
    const { runs } = await fetchingRun();
    expect(runs.fetched).toBeNull();
    runs.apply({ event: 'fetching', run: 'r', seq: 0, time: 0, name: 'a/b', done: 5, total: 9 });
    expect(runs.fetched).toMatchObject({ name: 'a/b', done: 5, total: 9 });
    runs.apply({ event: 'done', run: 'r', seq: 1, time: 0, status: 'cancelled', seconds: 1, outputs: {} });
    expect(runs.fetching).toBe(false);
  });

  it('says why a checkpoint could not be fetched', async () => {
    const { runs, complain } = await fetchingRun();
    const problems = [
      { node: 'load', message: 'checkpoint a/b could not be fetched: No space left on device' },
    ];
    runs.apply({ event: 'invalid', run: 'r', seq: 0, time: 0, problems } as never);
    expect(complain).toHaveBeenCalledWith(
      'load: checkpoint a/b could not be fetched: No space left on device',
    );
  });

  it('is not fetching when it could not be started', async () => {
    const start = () => Promise.reject(new BridgeError('you have 8 runs waiting already'));
    const { runs, complain } = runsOf({ start });
    await runs.start(workflow, '', null, true);
    expect(complain).toHaveBeenCalledWith('you have 8 runs waiting already');
    expect(runs.fetching).toBe(false);
  });
});

describe('why a node will run', () => {
  const node = { type: 'text_encode', params: { text: 'b' } };
  const one = { format: 'kandinsky-workflow', version: 1, nodes: { n: node } } as never;
  const two = {
    format: 'kandinsky-workflow',
    version: 1,
    nodes: { n: { ...node, params: { text: 'c' } } },
  } as never;
  const because = { n: 'Prompt changed from "a" to "b"' };

  it('comes with the plan, and is not known once the node is edited', async () => {
    const plan = async () => ({ problems: [], nodes: { n: 'run' as const }, because });
    const { runs } = runsOf({ plan });
    expect(runs.becauseOf('n')).toBeUndefined();
    runs.changed(one, '');
    await runs.plan(one, '');
    expect(runs.becauseOf('n')).toBe('Prompt changed from "a" to "b"');
    runs.changed(two, '');
    expect(runs.becauseOf('n')).toBeUndefined();
    runs.forget();
  });
});
