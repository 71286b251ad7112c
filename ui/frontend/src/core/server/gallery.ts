/** What the gallery says of results. */
import type { Result } from './bridge';
import { same } from '../workflow/values';

export interface Tile {
  result: Result;
  /** Its place in the list that was given. */
  index: number;
  /** Params that are not what they were for the result before it of the same node; null: it is the first. */
  differs: [target: string, value: unknown][] | null;
}

/** The results, newest first, each with what made it differ from the one before. */
export function tiles(results: Result[]): Tile[] {
  const oldestFirst = results
    .map((result, index) => ({ result, index }))
    .sort((a, b) => a.result.time - b.result.time);
  const before = new Map<string, Result>();
  const made = oldestFirst.map(({ result, index }): Tile => {
    const previous = before.get(result.node);
    before.set(result.node, result);
    return { result, index, differs: previous ? differing(previous.params, result.params) : null };
  });
  return made.reverse();
}

function differing(before: Record<string, unknown>, after: Record<string, unknown>): [string, unknown][] {
  return [...new Set([...Object.keys(after), ...Object.keys(before)])]
    .filter((target) => !same(before[target], after[target]))
    .map((target) => [target, after[target]]);
}

/** At most two are chosen: a third takes the place of the one that was chosen first. */
export function choose(chosen: string[], id: string): string[] {
  if (chosen.includes(id)) return chosen.filter((other) => other !== id);
  return [...chosen, id].slice(-2);
}
