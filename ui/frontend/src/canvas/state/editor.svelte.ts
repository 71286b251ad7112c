/** The workflow on the canvas: every change goes through `edit`, so that everything can be undone. */
import type { Catalogue } from '../../core/server/catalogue';
import { copy, paste } from '../../core/view/clipboard';
import * as edits from '../../core/workflow/edits';
import { firstGiver, firstTaker, outputType, takerOf, whyNot, type Candidate } from '../../core/view/fits';
import { boundsOf, boxOf, measure, positionOf, SNAP, WIDTH } from '../../core/layout/geometry';
import { History } from '../../core/workflow/history';
import { align, distribute, layOut, type Side } from '../../core/layout/layout';
import { allWires, reachable, wiresInto, type End, type Wire } from '../../core/workflow/links';
import type { Group, Mode, NodeSpec, WorkflowJson } from '../../core/workflow/types';

/** The loose end of a wire: an output that looks for an input, or an input that looks for an output. */
export interface Loose {
  end: End;
  side: 'output' | 'input';
  /** The wire that is being put elsewhere, if it is one. */
  wire?: Wire;
}

/** A wire in the air: what it fits. */
export interface Wiring extends Loose {
  type: string;
  /** Nodes that a wire would make a circle with, and its own. */
  circle: Set<string>;
}

export class Editor {
  workflow = $state.raw<WorkflowJson>(edits.emptyWorkflow());
  /** Ids of the selected nodes. */
  selected = $state.raw<ReadonlySet<string>>(new Set());
  /** Ids of the selected wires. */
  selectedWires = $state.raw<ReadonlySet<string>>(new Set());
  wiring = $state.raw<Wiring | null>(null);
  /** Counts whole workflows put onto the canvas: the view goes to them. */
  opened = $state(0);
  undoable = $state.raw<string | null>(null);
  redoable = $state.raw<string | null>(null);
  /** Something else than the workflow is looked at (an older version): no edits. */
  readOnly = $state(false);

  private history = new History<WorkflowJson>({ state: this.workflow, label: '' });

  constructor(readonly catalogue: Catalogue) {}

  // The workflow as a whole

  /** Puts a workflow onto the canvas; what was there before can be had back by undo if `undoable`. */
  open(workflow: WorkflowJson, undoable: string | null = null): void {
    const placed = this.placed(workflow);
    if (undoable === null) this.history = new History({ state: placed, label: '' });
    else this.history.push(placed, undoable);
    this.show(placed);
    this.select([]);
    this.opened++;
  }

  /** A file written by hand may not say where its nodes lie. */
  private placed(workflow: WorkflowJson): WorkflowJson {
    const lost = Object.entries(workflow.nodes).filter(([, node]) => !node.ui?.position);
    if (!lost.length) return workflow;
    if (lost.length === Object.keys(workflow.nodes).length) {
      return edits.moveNodes(workflow, layOut(workflow, this.catalogue, Object.keys(workflow.nodes)));
    }
    const box = boundsOf(
      workflow,
      this.catalogue,
      Object.keys(workflow.nodes).filter((id) => workflow.nodes[id].ui?.position),
    )!;
    const places = lost.map(
      ([id], index) =>
        [id, [box.x + index * (WIDTH + 40), box.y + box.height + 80] as [number, number]] as const,
    );
    return edits.moveNodes(workflow, new Map(places));
  }

  /** The one way to change the workflow. */
  edit(label: string, workflow: WorkflowJson, merge: string | null = null): void {
    if (this.readOnly || workflow === this.workflow) return;
    this.history.push(workflow, label, merge);
    this.show(workflow);
  }

  /** The next edit is a step of its own: a field was left, a slider let go. */
  settle(): void {
    this.history.settle();
  }

  undo(): void {
    this.show(this.history.undo());
  }

  redo(): void {
    this.show(this.history.redo());
  }

  private show(workflow: WorkflowJson | null): void {
    this.undoable = this.history.undoable;
    this.redoable = this.history.redoable;
    if (!workflow) return;
    this.workflow = workflow;
    const there = [...this.selected].filter((id) => Object.hasOwn(workflow.nodes, id));
    if (there.length < this.selected.size) this.selected = new Set(there);
  }

  // Selection

  select(ids: Iterable<string>, wires: Iterable<string> = []): void {
    this.selected = new Set(ids);
    this.selectedWires = new Set(wires);
  }

  selectAll(): void {
    this.select(Object.keys(this.workflow.nodes));
  }

  spec(id: string): NodeSpec | undefined {
    return this.catalogue.node(this.workflow.nodes[id]?.type ?? '');
  }

  /** What people call a node, of the workflow on the canvas or of another one. */
  title(id: string, { nodes }: WorkflowJson = this.workflow): string {
    const node = nodes[id];
    return node?.ui?.title || this.catalogue.node(node?.type ?? '')?.title || node?.type || id;
  }

  private some(ids: Iterable<string>): string {
    const list = [...ids];
    return list.length === 1 ? this.title(list[0]) : `${list.length} nodes`;
  }

  // Nodes

  /** A new node, with its upper left corner there; wired to a loose end if there is one. */
  add(spec: NodeSpec, at: [number, number], loose?: Loose, port?: string): string {
    const place: [number, number] = [snap(at[0]), snap(at[1])];
    const { workflow, id } = edits.addNode(this.workflow, spec.id, spec.version, place);
    let result = workflow;
    if (loose && port) {
      if (loose.wire) result = edits.cut(result, this.catalogue, loose.wire.to);
      const here = { node: id, port };
      result =
        loose.side === 'output'
          ? edits.connect(result, this.catalogue, loose.end, here)
          : edits.connect(result, this.catalogue, here, loose.end);
    }
    this.edit(`Add ${spec.title}`, result);
    this.select([id]);
    return id;
  }

  addCandidate({ spec, port }: Candidate, at: [number, number], loose: Loose): string {
    // The port, not the corner, comes to lie where the wire was dropped.
    const { places } = measure({ type: spec.id }, this.catalogue);
    const type = loose.side === 'output' ? 'target' : 'source';
    const place = places.find(({ id, type: side }) => side === type && id.split('#')[0] === port);
    return this.add(spec, [at[0] - (place?.x ?? 0), at[1] - (place?.y ?? 0)], loose, port);
  }

  /** A free place for a new node: right of the selected one, or around `middle`. */
  freePlace(middle: [number, number]): [number, number] {
    const last = [...this.selected].at(-1);
    const node = last && this.workflow.nodes[last];
    let [x, y] = [middle[0] - WIDTH / 2, middle[1] - 80];
    if (node) {
      const box = boxOf(node, this.catalogue);
      [x, y] = [box.x + box.width + 60, box.y];
    }
    const taken = Object.values(this.workflow.nodes).map((other) => boxOf(other, this.catalogue));
    for (let tries = 0; tries < 100; tries++) {
      const hit = taken.find(
        (box) => x < box.x + box.width && x + WIDTH > box.x && y < box.y + box.height && y + 120 > box.y,
      );
      if (!hit) break;
      y = hit.y + hit.height + SNAP;
    }
    return [x, y];
  }

  /** Whether a node lies at a point. */
  isTaken([x, y]: [number, number]): boolean {
    return Object.values(this.workflow.nodes).some((node) => {
      const box = boxOf(node, this.catalogue);
      return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
    });
  }

  remove(ids: ReadonlySet<string>, wires: ReadonlySet<string> = new Set()): void {
    if (!ids.size && !wires.size) return;
    const doomed = allWires(this.workflow).filter((wire) => wires.has(wire.id));
    const label = ids.size ? `Delete ${this.some(ids)}` : doomed.length === 1 ? 'Cut wire' : 'Cut wires';
    const left = edits.cutAll(this.workflow, this.catalogue, doomed);
    this.edit(label, ids.size ? edits.removeNodes(left, this.catalogue, new Set(ids)) : left);
    this.select([]);
  }

  setParam(id: string, name: string, value: unknown): void {
    this.setParams(id, { [name]: value });
  }

  /** Params that change together are one step. */
  setParams(id: string, values: Record<string, unknown>): void {
    let result = this.workflow;
    for (const [name, value] of Object.entries({ ...values, ...this.following(id, values) })) {
      // Null says no more than nothing.
      result = edits.setParam(result, id, name, value === null ? undefined : value);
    }
    const names = Object.keys(values).join(', ');
    this.edit(`${this.title(id)}: ${names}`, result, `param ${id} ${names}`);
  }

  /** Where a choice is called like a file param (a mask's shape "painted"), giving the file makes that choice. */
  private following(id: string, values: Record<string, unknown>): Record<string, string> {
    const params = this.spec(id)?.params ?? [];
    const given = params.filter((param) => param.file && values[param.name]).map(({ name }) => name);
    const found = given.flatMap((name) =>
      params.filter((param) => param.choices?.includes(name)).map((param) => [param.name, name] as const),
    );
    return Object.fromEntries(found);
  }

  setUi(
    id: string,
    patch: Parameters<typeof edits.setUi>[2],
    label: string,
    merge: string | null = null,
  ): void {
    this.edit(label, edits.setUi(this.workflow, id, patch), merge);
  }

  /** Shows a param as a port, or as a widget again (its wire is cut then). */
  togglePort(id: string, name: string): void {
    const node = this.workflow.nodes[id];
    const ports = node.ui?.ports ?? [];
    const isPort = ports.includes(name) || name in (node.inputs ?? {});
    const label = isPort ? `${name} as a value` : `${name} as a port`;
    const shown = isPort ? ports.filter((port) => port !== name) : [...ports, name];
    let result = edits.setUi(this.workflow, id, { ports: shown });
    if (isPort && name in (node.inputs ?? {})) {
      result = edits.cut(result, this.catalogue, { node: id, port: name, index: null });
    }
    this.edit(label, result);
  }

  toggleMode(mode: Mode): void {
    const ids = [...this.selected];
    if (!ids.length) return;
    const all = ids.every((id) => this.workflow.nodes[id].mode === mode);
    const label = `${all ? 'Activate' : mode === 'muted' ? 'Mute' : 'Bypass'} ${this.some(ids)}`;
    this.edit(label, edits.setMode(this.workflow, ids, all ? 'active' : mode));
  }

  toggleCollapsed(ids: Iterable<string> = this.selected): void {
    const list = [...ids];
    if (!list.length) return;
    const open = list.some((id) => !this.workflow.nodes[id].ui?.collapsed);
    let result = this.workflow;
    for (const id of list) result = edits.setUi(result, id, { collapsed: open });
    this.edit(`${open ? 'Collapse' : 'Open'} ${this.some(list)}`, result);
  }

  rename(id: string, name: string): void {
    this.edit(`Rename ${id}`, edits.renameNode(this.workflow, id, name));
    this.select([name]);
  }

  // Places

  move(places: Map<string, [number, number]>, merge: string | null = null): void {
    if (places.size)
      this.edit(`Move ${this.some(places.keys())}`, edits.moveNodes(this.workflow, places), merge);
  }

  nudge(dx: number, dy: number): void {
    const places = [...this.selected].map((id) => {
      const [x, y] = positionOf(this.workflow.nodes[id]);
      return [id, [x + dx, y + dy] as [number, number]] as const;
    });
    this.move(new Map(places), `nudge ${[...this.selected].join()}`);
  }

  arrange(): void {
    const ids = this.selected.size > 1 ? [...this.selected] : Object.keys(this.workflow.nodes);
    if (!ids.length) return;
    this.edit('Lay out', edits.moveNodes(this.workflow, layOut(this.workflow, this.catalogue, ids)));
  }

  align(side: Side): void {
    const places = align(this.workflow, this.catalogue, [...this.selected], side);
    if (places.size > 1) this.edit(`Align ${side}`, edits.moveNodes(this.workflow, places));
  }

  distribute(axis: 'across' | 'down'): void {
    const places = distribute(this.workflow, this.catalogue, [...this.selected], axis);
    if (places.size) this.edit('Distribute', edits.moveNodes(this.workflow, places));
  }

  // Wires

  /** Why a wire cannot be; null if it can. */
  whyNot(from: End, to: End): string | null {
    return whyNot(this.workflow, this.catalogue, from, to);
  }

  connect(from: End, to: End & { index?: number | null }): void {
    if (this.whyNot(from, to) !== null) return;
    const there = wiresInto(to.node, this.workflow.nodes[to.node]);
    const taken = there.find((wire) => wire.to.port === to.port && wire.to.index === (to.index ?? null));
    if (taken?.from.node === from.node && taken.from.port === from.port) return;
    const label = `Wire ${this.title(from.node)} to ${this.title(to.node)}`;
    // Dropping on a wire of a list port replaces that wire.
    const result =
      taken && taken.to.index !== null
        ? edits.replug(this.workflow, this.catalogue, taken, from, to)
        : edits.connect(this.workflow, this.catalogue, from, to);
    this.edit(label, result);
  }

  /** Links a loose end to the first port of a node that fits; says why where none does. */
  connectToNode(loose: Wiring, node: string): string | null {
    const output = loose.side === 'output';
    const found = output
      ? firstTaker(this.workflow, this.catalogue, loose.end, node)
      : firstGiver(this.workflow, this.catalogue, loose.end, node);
    if (!found) {
      if (node === loose.end.node) return 'a node cannot feed itself';
      if (loose.circle.has(node)) return 'a circle: one already depends on the other';
      return `${this.title(node)} has no ${output ? 'input' : 'output'} for ${this.catalogue.title(loose.type)}`;
    }
    if (loose.wire) this.replug(loose.wire, output ? loose.wire.from : found, output ? found : loose.wire.to);
    else if (output) this.connect(loose.end, found);
    else this.connect(found, loose.end);
    return null;
  }

  replug(wire: Wire, from: End, to: End & { index?: number | null }): void {
    this.edit('Move wire', edits.replug(this.workflow, this.catalogue, wire, from, to));
  }

  cut(wire: Wire): void {
    this.edit('Cut wire', edits.cut(this.workflow, this.catalogue, wire.to));
  }

  reorder(at: End, index: number, place: number): void {
    this.edit('Reorder wires', edits.reorder(this.workflow, this.catalogue, at, index, place));
  }

  route(wire: Wire, route: [number, number][], merge: string | null = null): void {
    const ui = { ...wire.ui };
    if (route.length) ui.route = route.map(([x, y]) => [Math.round(x), Math.round(y)]);
    else delete ui.route;
    this.edit('Reroute wire', edits.setWireUi(this.workflow, wire, ui), merge);
  }

  wire(id: string): Wire | undefined {
    const node = id.slice(id.lastIndexOf('@') + 1);
    const target = this.workflow.nodes[node];
    return target && wiresInto(node, target).find((wire) => wire.id === id);
  }

  /** A wire is in the air from now on. */
  lift(loose: Loose): void {
    const output = loose.side === 'output';
    const type = output
      ? outputType(this.workflow, this.catalogue, loose.end)
      : (takerOf(this.spec(loose.end.node), loose.end.port)?.type ?? '');
    const circle = reachable(this.workflow, loose.end.node, output ? 'up' : 'down');
    circle.add(loose.end.node);
    this.wiring = { ...loose, type, circle };
  }

  // Clipboard

  copy(): string | null {
    return this.selected.size ? copy(this.workflow, this.catalogue, new Set(this.selected)) : null;
  }

  paste(part: WorkflowJson, at: [number, number], label = 'Paste'): void {
    const { workflow, ids } = paste(this.workflow, this.catalogue, part, { at });
    this.edit(`${label} ${ids.length === 1 ? '1 node' : `${ids.length} nodes`}`, workflow);
    this.select(ids);
  }

  duplicate(): void {
    const text = this.copy();
    if (!text) return;
    const part = JSON.parse(text) as WorkflowJson;
    const { workflow, ids } = paste(this.workflow, this.catalogue, part, { shift: [2 * SNAP, 2 * SNAP] });
    // Copies take their inputs from where the originals take them.
    this.edit(
      `Duplicate ${this.some(this.selected)}`,
      this.withOuterWires(workflow, [...this.selected], ids),
    );
    this.select(ids);
  }

  private withOuterWires(workflow: WorkflowJson, originals: string[], copies: string[]): WorkflowJson {
    const inside = new Set(originals);
    // `copy` keeps the order of the file, not of the selection.
    const inOrder = Object.keys(this.workflow.nodes).filter((id) => inside.has(id));
    let result = workflow;
    inOrder.forEach((id, place) => {
      for (const wire of wiresInto(id, this.workflow.nodes[id])) {
        if (inside.has(wire.from.node)) continue;
        const to = { node: copies[place], port: wire.to.port, index: wire.to.index };
        result = edits.connect(result, this.catalogue, wire.from, to);
      }
    });
    return result;
  }

  // Groups

  get groups(): Group[] {
    return this.workflow.ui?.groups ?? [];
  }

  setGroups(groups: Group[], label: string, merge: string | null = null): void {
    this.edit(label, edits.setGroups(this.workflow, groups), merge);
  }

  group(): void {
    const box = boundsOf(this.workflow, this.catalogue, this.selected);
    if (!box) return;
    const ids = new Set(this.groups.map((group) => group.id));
    const id = edits.freshId(Object.fromEntries([...ids].map((key) => [key, 1])), 'group');
    const margin = 24;
    const group: Group = {
      id,
      title: 'Group',
      colour: '#5b7fd6',
      box: [box.x - margin, box.y - margin - 28, box.width + 2 * margin, box.height + 2 * margin + 28],
    };
    this.setGroups([...this.groups, group], `Group ${this.some(this.selected)}`);
  }

  /** The nodes that lie in a group: they move with it. */
  members(group: Group): string[] {
    const [x, y, width, height] = group.box;
    return Object.entries(this.workflow.nodes).flatMap(([id, node]) => {
      const box = boxOf(node, this.catalogue);
      const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
      return cx > x && cx < x + width && cy > y && cy < y + height ? [id] : [];
    });
  }

  moveGroup(group: Group, dx: number, dy: number, members: string[], merge: string): void {
    const [x, y, width, height] = group.box;
    const groups = this.groups.map((other) =>
      other.id === group.id ? { ...other, box: [x + dx, y + dy, width, height] as Group['box'] } : other,
    );
    const places = members.map((id) => {
      const [px, py] = positionOf(this.workflow.nodes[id]);
      return [id, [px + dx, py + dy] as [number, number]] as const;
    });
    const moved = edits.moveNodes(this.workflow, new Map(places));
    this.edit(`Move ${group.title || 'group'}`, edits.setGroups(moved, groups), merge);
  }
}

const snap = (value: number) => Math.round(value / SNAP) * SNAP;
