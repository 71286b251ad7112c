/** Rolling the seeds of a workflow. */
import type { Catalogue } from '../server/catalogue';
import { setParam } from '../workflow/edits';
import { isLinked } from '../workflow/links';
import type { WorkflowJson } from '../workflow/types';

/** Seeds are whole numbers below 2^53; these are short enough to read. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** The workflow with one new seed at all places that rolled together before, locked and linked ones as they are. */
export function rollSeeds(workflow: WorkflowJson, catalogue: Catalogue, random = randomSeed): WorkflowJson {
  let result = workflow;
  // Seeds that were equal stay equal: they belong together.
  const rolled = new Map<unknown, number>();
  for (const [id, node] of Object.entries(workflow.nodes)) {
    for (const param of catalogue.node(node.type)?.params ?? []) {
      if (param.widget !== 'seed' || isLinked(node, param.name)) continue;
      if (node.ui?.locked?.includes(param.name)) continue;
      const before = node.params?.[param.name] ?? param.default;
      if (!rolled.has(before)) rolled.set(before, random());
      result = setParam(result, id, param.name, rolled.get(before));
    }
  }
  return result;
}
