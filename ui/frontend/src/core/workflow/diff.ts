/** What differs between two workflows, for the canvas to colour and for a list in words. */
import { wiresInto, type End, type Wire } from './links';
import type { Group, InterfaceEntryJson, Mode, NodeJson, WorkflowJson } from './types';
import { brief, same } from './values';

export interface Change<T> {
  before: T;
  after: T;
}

export interface ParamChange extends Change<unknown> {
  param: string;
}

export interface NodeChange {
  id: string;
  /** Params that differ, with what was written before and after; undefined: not written. */
  params: ParamChange[];
  type?: Change<string>;
  version?: Change<number>;
  mode?: Change<Mode>;
  title?: Change<string>;
  /** It lies elsewhere or has another size. */
  moved: boolean;
  /** Whatever else of its looks differs: colour, collapsed, which params are ports. */
  looks: string[];
}

export interface EntryChange {
  side: 'inputs' | 'outputs';
  name: string;
  how: 'added' | 'removed' | 'changed';
}

export interface GroupChange {
  id: string;
  title: string;
  how: 'added' | 'removed' | 'changed';
}

export interface Diff {
  nodes: { added: string[]; removed: string[]; changed: NodeChange[] };
  wires: {
    /** As they are afterwards. */
    added: Wire[];
    /** As they were before. */
    removed: Wire[];
    /** As they are afterwards: the same ends, another way. */
    rerouted: Wire[];
    /** List ports whose wires have another order. */
    reordered: End[];
  };
  interface: EntryChange[];
  /** Sides of the interface whose entries have another order. */
  order: ('inputs' | 'outputs')[];
  groups: GroupChange[];
  /** What of the workflow as a whole differs: its name, its description. */
  about: ('name' | 'description')[];
}

/** Compares two workflows. Node ids are what holds: a node under another id is another node. */
export function diff(before: WorkflowJson, after: WorkflowJson): Diff {
  const [old, now] = [new Map(Object.entries(before.nodes)), new Map(Object.entries(after.nodes))];
  const wires: Diff['wires'] = { added: [], removed: [], rerouted: [], reordered: [] };
  const changed: NodeChange[] = [];
  for (const [id, node] of now) {
    const was = old.get(id);
    if (was === node) continue;
    compareWires(id, was, node, wires);
    const change = was && compareNodes(id, was, node);
    if (change) changed.push(change);
  }
  const removed = [...old.keys()].filter((id) => !now.has(id));
  for (const id of removed) wires.removed.push(...wiresInto(id, old.get(id)!));
  return {
    nodes: { added: [...now.keys()].filter((id) => !old.has(id)), removed, changed },
    wires,
    interface: [...compareEntries('inputs', before, after), ...compareEntries('outputs', before, after)],
    order: (['inputs', 'outputs'] as const).filter((side) => reordered(before, after, side)),
    groups: compareGroups(groupsOf(before), groupsOf(after)),
    about: (['name', 'description'] as const).filter((key) => (before[key] ?? '') !== (after[key] ?? '')),
  };
}

/** Whether nothing differs. */
export function isEmpty(found: Diff): boolean {
  const { nodes, wires, ...rest } = found;
  const lists: unknown[][] = [nodes, wires, rest].flatMap((part) => Object.values<unknown[]>(part));
  return lists.every((list) => !list.length);
}

function compareNodes(id: string, before: NodeJson, after: NodeJson): NodeChange | null {
  const change: NodeChange = { id, params: [], moved: false, looks: [] };
  for (const param of keysOf(before.params, after.params)) {
    const values = { before: before.params?.[param], after: after.params?.[param] };
    if (!same(values.before, values.after)) change.params.push({ param, ...values });
  }
  const differing = <T>(was: T, now: T): Change<T> | undefined =>
    was === now ? undefined : { before: was, after: now };
  change.type = differing(before.type, after.type);
  change.version = differing(before.version ?? 1, after.version ?? 1);
  change.mode = differing(before.mode ?? 'active', after.mode ?? 'active');
  change.title = differing(before.ui?.title ?? '', after.ui?.title ?? '');
  for (const key of keysOf(before.ui, after.ui)) {
    if (key === 'title' || same(before.ui?.[key], after.ui?.[key])) continue;
    if (key === 'position' || key === 'size') change.moved = true;
    else change.looks.push(key);
  }
  const { params, type, version, mode, title, moved, looks } = change;
  return params.length || type || version || mode || title || moved || looks.length ? change : null;
}

function compareWires(id: string, before: NodeJson | undefined, after: NodeJson, found: Diff['wires']): void {
  const old = grouped(before ? wiresInto(id, before) : [], (wire) => wire.to.port);
  const now = grouped(wiresInto(id, after), (wire) => wire.to.port);
  for (const port of new Set([...old.keys(), ...now.keys()])) {
    const left = grouped(old.get(port) ?? [], source);
    const kept: string[] = [];
    for (const wire of now.get(port) ?? []) {
      const was = left.get(source(wire))?.shift();
      if (!was) found.added.push(wire);
      else kept.push(source(wire));
      if (was && !same(was.ui, wire.ui)) found.rerouted.push(wire);
    }
    const gone = new Set([...left.values()].flat());
    found.removed.push(...gone);
    const stayed = (old.get(port) ?? []).filter((wire) => !gone.has(wire)).map(source);
    if (!same(stayed, kept)) found.reordered.push({ node: id, port });
  }
}

function grouped<T>(items: T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

const source = (wire: Wire) => `${wire.from.node}.${wire.from.port}`;

type Entries = Record<string, string | InterfaceEntryJson>;

function compareEntries(side: EntryChange['side'], before: WorkflowJson, after: WorkflowJson): EntryChange[] {
  const [old, now]: Entries[] = [before.interface?.[side] ?? {}, after.interface?.[side] ?? {}];
  return keysOf(old, now).flatMap((name): EntryChange[] => {
    if (!Object.hasOwn(old, name)) return [{ side, name, how: 'added' }];
    if (!Object.hasOwn(now, name)) return [{ side, name, how: 'removed' }];
    return same(plain(old[name]), plain(now[name])) ? [] : [{ side, name, how: 'changed' }];
  });
}

/** An entry in its one full form. */
function plain(entry: string | InterfaceEntryJson): Required<InterfaceEntryJson> {
  const { targets, title = '', help = '' } = typeof entry === 'string' ? { targets: [entry] } : entry;
  return { targets, title, help };
}

function reordered(before: WorkflowJson, after: WorkflowJson, side: EntryChange['side']): boolean {
  const [old, now] = [before, after].map((workflow) => Object.keys(workflow.interface?.[side] ?? {}));
  const [was, is] = [new Set(old), new Set(now)];
  return !same(
    old.filter((name) => is.has(name)),
    now.filter((name) => was.has(name)),
  );
}

/** What stands under `ui` is nobody's to check: it may be anything. */
function groupsOf(workflow: WorkflowJson): Group[] {
  const groups: unknown = workflow.ui?.groups;
  return Array.isArray(groups) ? groups.filter((group) => typeof group?.id === 'string') : [];
}

function compareGroups(before: Group[], after: Group[]): GroupChange[] {
  const [old, now] = [before, after].map((groups) => new Map(groups.map((group) => [group.id, group])));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((id): GroupChange[] => {
    const [was, is] = [old.get(id), now.get(id)];
    if (was && is && same(was, is)) return [];
    const how = !was ? 'added' : !is ? 'removed' : 'changed';
    return [{ id, title: (is ?? was)!.title, how }];
  });
}

function keysOf(before: object | undefined, after: object | undefined): string[] {
  return [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
}

/** One line of what differs; `node` is the node that it speaks of. */
export interface Line {
  text: string;
  kind: 'added' | 'removed' | 'changed';
  node?: string;
}

/** What differs, line by line: what changes pictures first, what changes only the view last. */
export function lines(found: Diff, called: (node: string) => string = (node) => node): Line[] {
  const { nodes, wires } = found;
  const dressed = nodes.changed.filter((change) => change.moved || change.looks.length);
  const about = (node: string, text: string, kind: Line['kind'] = 'changed'): Line => ({ text, kind, node });
  const wire = ({ from, to }: Wire, kind: Line['kind']) =>
    about(to.node, `wire ${called(from.node)}.${from.port} → ${called(to.node)}.${to.port} ${kind}`, kind);
  return [
    ...nodes.added.map((id) => about(id, `${called(id)} added`, 'added')),
    ...nodes.removed.map((id) => about(id, `${called(id)} removed`, 'removed')),
    ...nodes.changed.flatMap((change) => nodeTexts(change, called).map((text) => about(change.id, text))),
    ...wires.added.map((one) => wire(one, 'added')),
    ...wires.removed.map((one) => wire(one, 'removed')),
    ...wires.reordered.map(({ node, port }) => about(node, `order of the wires of ${called(node)}.${port}`)),
    ...[...formTexts(found), ...restTexts(found, dressed.length)],
  ];
}

function nodeTexts(
  { id, params, type, version, mode, title }: NodeChange,
  called: (id: string) => string,
): string[] {
  const name = called(id);
  const change = (what: string, { before, after }: Change<unknown>) =>
    `${what}: ${brief(before)} → ${brief(after)}`;
  return [
    ...(type ? [change(`type of ${name}`, type)] : []),
    ...(version && !type ? [change(`version of ${name}`, version)] : []),
    ...params.map((param) => change(`${name}.${param.param}`, param)),
    ...(mode ? [`${name} ${mode.after === 'active' ? 'active again' : mode.after}`] : []),
    ...(title ? [change(`title of ${id}`, title)] : []),
  ];
}

function formTexts(found: Diff): Line[] {
  const entries = found.interface.map(({ side, name, how }): Line => {
    return { text: `form ${side === 'inputs' ? 'input' : 'output'} ${name} ${how}`, kind: how };
  });
  return [
    ...entries,
    ...found.order.map((side): Line => ({ text: `order of the form ${side}`, kind: 'changed' })),
  ];
}

function restTexts(found: Diff, dressed: number): Line[] {
  const counted = (count: number, thing: string, what: string): Line[] =>
    count ? [{ text: `${count} ${thing}${count === 1 ? '' : 's'} ${what}`, kind: 'changed' }] : [];
  return [
    ...found.groups.map(({ title, how }): Line => ({
      text: `group ${title || 'without a title'} ${how}`,
      kind: how,
    })),
    ...found.about.map((key): Line => ({ text: `${key} changed`, kind: 'changed' })),
    ...counted(dressed, 'node', 'moved or shown differently'),
    ...counted(found.wires.rerouted.length, 'wire', 'rerouted'),
  ];
}

/** What differs, in a few words each. */
export function describe(found: Diff): string[] {
  return lines(found).map((line) => line.text);
}
