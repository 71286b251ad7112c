import { expect, it, vi } from 'vitest';
import FileMenu from '../../../src/canvas/menus/FileMenu.svelte';
import { whatIsCarried } from '../../../src/core/workflow/carried';
import { Catalogue } from '../../../src/core/server/catalogue';
import type { NodeJson, NodeSpec, WorkflowJson } from '../../../src/core/workflow/types';
import { show } from '../../show';
import { param } from '../../widgets/param';

const spec = {
  id: 'load',
  params: [param({ name: 'path', file: 'image' }), param({ name: 'text' })],
} as NodeSpec;
const catalogue = new Catalogue({ types: {}, nodes: { load: spec } });

function told(...params: NodeJson['params'][]): string {
  const nodes = Object.fromEntries(params.map((given, at) => [`n${at}`, { type: 'load', params: given }]));
  const workflow = { format: 'kandinsky-workflow', version: 1, nodes } as WorkflowJson;
  return whatIsCarried(workflow, catalogue);
}

it('says which pictures a download carries', () => {
  expect(told({}, { path: '' }, { text: 'a' }, undefined)).toContain('there are no pictures');
  expect(told({ path: 'a' }, { path: 'a' })).toContain('the picture it uses');
  expect(told({ path: 'a' }, { path: 'b' })).toContain('the 2 pictures it uses');
  expect(told({ path: 'a' })).toContain('without camera data');
});

it('says so in the menu, before anything is downloaded', () => {
  const props = { at: { x: 0, y: 0 }, minimap: false, snap: false, carried: 'Inside: all.', user: null };
  const { button, one } = show(FileMenu, { ...props, act: vi.fn(), onclose: vi.fn() });
  const note = button('Download with pictures').getAttribute('aria-describedby');
  expect(one(`#${note}`).textContent).toBe('Inside: all.');
});
