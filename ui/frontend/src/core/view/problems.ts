/** A problem of a workflow as one sentence. */
import type { Problem } from '../workflow/types';

export function describeProblem({ node, port, param, message, expected, nearest, fetch }: Problem): string {
  const place = [node, port ?? param].filter(Boolean).join('.');
  return (
    (place ? `${place}: ${message}` : message) +
    (expected ? `; expected ${expected}` : '') +
    (fetch ? `; it is a download of ${fetch}` : '') +
    (nearest ? ` (did you mean ${nearest}?)` : '')
  );
}
