/** A problem of a workflow as one sentence. */
import type { Problem } from './types';

export function describeProblem({ node, port, param, message, expected, nearest }: Problem): string {
  const place = [node, port ?? param].filter(Boolean).join('.');
  return (
    (place ? `${place}: ${message}` : message) +
    (expected ? `; expected ${expected}` : '') +
    (nearest ? ` (did you mean ${nearest}?)` : '')
  );
}
