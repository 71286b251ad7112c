/** What a file that carries its pictures tells of whoever sends it, said before it is made. */
import type { Catalogue } from '../server/catalogue';
import type { WorkflowJson } from './types';

/** One sentence. */
export function whatIsCarried(workflow: WorkflowJson, catalogue: Catalogue): string {
  const files = new Set<unknown>();
  for (const { type, params = {} } of Object.values(workflow.nodes)) {
    for (const param of catalogue.node(type)?.params ?? []) {
      if (param.file && params[param.name]) files.add(params[param.name]);
    }
  }
  const inside = 'Inside: prompts, settings and notes';
  if (!files.size) return `${inside}; there are no pictures.`;
  const pictures = files.size === 1 ? 'the picture it uses' : `the ${files.size} pictures it uses`;
  return `${inside}; ${pictures}, whole, but without camera data and place, and file names without folders.`;
}
