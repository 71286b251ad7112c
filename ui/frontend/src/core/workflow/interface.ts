/** What the form view shows of a workflow, and the edits of it: pure functions from one workflow to the next. */
import { outputOf, paramOf, type Catalogue } from '../server/catalogue';
import { isLinked } from './links';
import type { InterfaceEntryJson, WorkflowJson } from './types';

export type FormSide = 'inputs' | 'outputs';

/** An entry in its full form. */
export interface FormEntry {
  /** Its name for programs: `--set NAME=VALUE`, the API. */
  name: string;
  /** `node.param` of an input, `node.output` of an output. */
  targets: string[];
  title: string;
  help: string;
}

/** A param or output that may stand on the form. */
export interface FormChoice {
  target: string;
  node: string;
  port: string;
  /** What it holds: two params may share an entry where this is the same. */
  kind: string;
  help: string;
  /** A wire sets the param, so that a value written on the form would count for nothing. */
  linked: boolean;
  /** The entry that it stands in already. */
  entry: string | null;
}

/** Outputs of these types have a place on a form. */
const SHOWN = new Set(['image', 'string', 'int', 'float', 'bool']);

/** The entries of one side, in the order of the form; what is no entry (the server says so) is left out. */
export function formEntries(workflow: WorkflowJson, side: FormSide): FormEntry[] {
  return Object.entries(workflow.interface?.[side] ?? {}).flatMap(([name, entry]: [string, unknown]) => {
    if (typeof entry === 'string') return [{ name, targets: [entry], title: '', help: '' }];
    const { targets, title, help } = (entry ?? {}) as Partial<InterfaceEntryJson>;
    if (!Array.isArray(targets) || !targets.every((target) => typeof target === 'string')) return [];
    return [{ name, targets, title: String(title ?? ''), help: String(help ?? '') }];
  });
}

/** Everything that can stand on one side of the form, node by node in the order of the file. */
export function formChoices(workflow: WorkflowJson, catalogue: Catalogue, side: FormSide): FormChoice[] {
  const entries = formEntries(workflow, side);
  return Object.entries(workflow.nodes).flatMap(([id, node]) => {
    const spec = catalogue.node(node.type);
    const ports = side === 'inputs' ? spec?.params : spec?.outputs.filter((port) => SHOWN.has(port.type));
    return (ports ?? []).map(({ name, type, many, help }): FormChoice => {
      const target = `${id}.${name}`;
      const entry = entries.find((one) => one.targets.includes(target))?.name ?? null;
      const linked = side === 'inputs' && isLinked(node, name);
      return { target, node: id, port: name, kind: many ? `${type} list` : type, help, linked, entry };
    });
  });
}

/** Params that a value of this entry could set as well: of the same kind, and on no entry yet. */
export function companions(entry: FormEntry, choices: FormChoice[]): FormChoice[] {
  const kinds = new Set(
    choices.filter(({ target }) => entry.targets.includes(target)).map(({ kind }) => kind),
  );
  return choices.filter((choice) => choice.entry === null && kinds.has(choice.kind));
}

/** What is wrong with a target: its node is gone, or has no such param or output. Null: nothing. */
export function targetProblem(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  side: FormSide,
  target: string,
): string | null {
  const [id, port] = [target.split('.', 1)[0], target.slice(target.indexOf('.') + 1)];
  if (!Object.hasOwn(workflow.nodes, id)) return `there is no node "${id}"`;
  const spec = catalogue.node(workflow.nodes[id].type);
  if (!spec) return `"${id}" is of a type that is not installed here`;
  const known = side === 'inputs' ? paramOf(spec, port) : outputOf(spec, port);
  if (!known) return `${spec.title} has no ${side === 'inputs' ? 'param' : 'output'} "${port}"`;
  if (side === 'inputs' && isLinked(workflow.nodes[id], port))
    return 'a wire sets it: it counts only once the wire is cut';
  return null;
}

/** Puts a param or output at the end of the form. */
export function addEntry(workflow: WorkflowJson, side: FormSide, target: string): WorkflowJson {
  const entries = formEntries(workflow, side);
  const name = freshName(entries, target.slice(target.indexOf('.') + 1));
  return withEntries(workflow, side, [...entries, { name, targets: [target], title: '', help: '' }]);
}

export function removeEntry(workflow: WorkflowJson, side: FormSide, name: string): WorkflowJson {
  return withEntries(
    workflow,
    side,
    formEntries(workflow, side).filter((entry) => entry.name !== name),
  );
}

/** Moves an entry to another place of the order, counted from 0. */
export function moveEntry(workflow: WorkflowJson, side: FormSide, name: string, place: number): WorkflowJson {
  const entries = formEntries(workflow, side);
  const index = entries.findIndex((entry) => entry.name === name);
  const to = Math.max(0, Math.min(place, entries.length - 1));
  if (index < 0 || to === index) return workflow;
  entries.splice(to, 0, ...entries.splice(index, 1));
  return withEntries(workflow, side, entries);
}

/** Gives an entry another title, help, targets or name. An entry without targets goes. */
export function editEntry(
  workflow: WorkflowJson,
  side: FormSide,
  name: string,
  change: Partial<FormEntry>,
): WorkflowJson {
  const entries = formEntries(workflow, side).map((entry) =>
    entry.name === name ? { ...entry, ...change } : entry,
  );
  return withEntries(
    workflow,
    side,
    entries.filter((entry) => entry.targets.length),
  );
}

/** What is wrong with a new name of an entry; null: nothing. */
export function entryNameProblem(
  workflow: WorkflowJson,
  side: FormSide,
  name: string,
  now: string,
): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'Letters, digits and _ only, no digit first.';
  const taken = name !== now && formEntries(workflow, side).some((entry) => entry.name === name);
  return taken ? `Another entry is called "${name}".` : null;
}

function freshName(entries: FormEntry[], stem: string): string {
  const taken = new Set(entries.map((entry) => entry.name));
  if (!taken.has(stem)) return stem;
  for (let number = 2; ; number++) {
    if (!taken.has(`${stem}_${number}`)) return `${stem}_${number}`;
  }
}

/** Writes one side; each entry in its shortest form, and no side that is empty. */
function withEntries(workflow: WorkflowJson, side: FormSide, entries: FormEntry[]): WorkflowJson {
  const written = Object.fromEntries(entries.map((entry) => [entry.name, shortest(entry)]));
  const { inputs, outputs }: NonNullable<WorkflowJson['interface']> = {
    ...workflow.interface,
    [side]: written,
  };
  const some = (record: object | undefined) => record !== undefined && Object.keys(record).length > 0;
  const sides = { ...(some(inputs) ? { inputs } : {}), ...(some(outputs) ? { outputs } : {}) };
  // The place of the key in the file: before what comes after it there.
  const { interface: _, definitions, ui, assets, ...head } = workflow;
  return {
    ...head,
    ...(some(sides) ? { interface: sides } : {}),
    ...(definitions === undefined ? {} : { definitions }),
    ...(ui ? { ui } : {}),
    ...(assets ? { assets } : {}),
  };
}

function shortest({ targets, title, help }: FormEntry): string | InterfaceEntryJson {
  if (targets.length === 1 && !title && !help) return targets[0];
  return { targets, ...(title ? { title } : {}), ...(help ? { help } : {}) };
}
