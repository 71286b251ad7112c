/** The workflow as xyflow takes it. Objects stay the same as long as what they stand for does. */
import { Position, type Edge, type Node } from '@xyflow/svelte';
import type { Catalogue } from '../../core/server/catalogue';
import { outputType } from '../../core/view/fits';
import { measure, positionOf, type Place } from '../../core/layout/geometry';
import { allWires, handleOf, type Wire } from '../../core/workflow/links';
import type { NodeJson, WorkflowJson } from '../../core/workflow/types';

export type FlowNode = Node<{ node: NodeJson }, 'node'>;
export type FlowWire = Edge<{ wire: Wire; colour: string; muted: boolean }, 'wire'>;

/** Read out with a node's name. */
const NODE_KEYS = { 'aria-description': 'The arrow keys move this node, W wires it, Delete removes it.' };

/** Pixels of a handle: what xyflow is told of nodes that were never drawn. */
const HANDLE = 12;

export function flowNodes(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  before: FlowNode[],
  selected: ReadonlySet<string>,
  mounted: ReadonlySet<string>,
): FlowNode[] {
  const old = new Map(before.map((node) => [node.id, node]));
  return Object.entries(workflow.nodes).map(([id, node]): FlowNode => {
    const was = old.get(id);
    const isSelected = selected.has(id);
    const [x, y] = positionOf(node);
    if (was?.data.node === node && was.position.x === x && was.position.y === y) {
      return (was.selected ?? false) === isSelected ? was : { ...was, selected: isSelected };
    }
    const { width, height, places } = measure(node, catalogue);
    return {
      id,
      type: 'node',
      position: { x, y },
      data: { node },
      selected: isSelected,
      width,
      measured: { width, height },
      dragHandle: '.grip',
      ariaLabel: node.ui?.title || catalogue.node(node.type)?.title || node.type,
      domAttributes: NODE_KEYS,
      // One that is on the page is measured there.
      ...(mounted.has(id) ? {} : { handles: places.map(handle) }),
    };
  });
}

function handle({ id, type, x, y }: Place) {
  const half = HANDLE / 2;
  const position = type === 'source' ? Position.Right : Position.Left;
  return { id, type, position, x: x - half, y: y - half, width: HANDLE, height: HANDLE };
}

export function flowWires(
  workflow: WorkflowJson,
  catalogue: Catalogue,
  before: FlowWire[],
  selected: ReadonlySet<string>,
  /** Wires that are shown though the workflow has them no more. */
  gone: readonly Wire[] = [],
): FlowWire[] {
  const old = new Map(before.map((edge) => [edge.id, edge]));
  const wires = [...allWires(workflow), ...gone]
    .filter((wire) => Object.hasOwn(workflow.nodes, wire.from.node))
    .map((wire): FlowWire => {
      const was = old.get(wire.id);
      const colour = catalogue.colour(outputType(workflow, catalogue, wire.from));
      const muted = [wire.from.node, wire.to.node].some((id) => workflow.nodes[id].mode === 'muted');
      const isSelected = selected.has(wire.id);
      const data = was?.data;
      if (data?.wire === wire && data.colour === colour && data.muted === muted) {
        return (was!.selected ?? false) === isSelected ? was! : { ...was!, selected: isSelected };
      }
      return {
        id: wire.id,
        type: 'wire',
        source: wire.from.node,
        sourceHandle: wire.from.port,
        target: wire.to.node,
        targetHandle: handleOf(wire.to),
        selected: isSelected,
        data: { wire, colour, muted },
        ariaLabel: `Wire from ${wire.from.node} ${wire.from.port} to ${wire.to.node} ${wire.to.port}`,
      };
    });
  // Another list would make xyflow look at every wire, at each letter of a prompt.
  const same = wires.length === before.length && wires.every((wire, index) => wire === before[index]);
  return same ? before : wires;
}
