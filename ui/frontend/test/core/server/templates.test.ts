import { describe, expect, it, vi } from 'vitest';
import Templates from '../../../src/canvas/templates/Templates.svelte';
import type { Template } from '../../../src/core/server/bridge';
import { stepTo } from '../../../src/core/layout/grid';
import { sketch } from '../../../src/core/layout/sketch';
import { templateGroups } from '../../../src/core/server/templates';
import type { WorkflowJson } from '../../../src/core/workflow/types';
import { click, key, show, write } from '../../show';

const workflow: WorkflowJson = {
  format: 'kandinsky-workflow',
  version: 1,
  nodes: {
    a: { type: 'words', params: { text: 'x' }, ui: { position: [0, 0] } },
    b: { type: 'paint', inputs: { embeds: 'a.embeds' }, ui: { position: [300, 100] } },
  },
};

const template = (id: string, title: string, thumbnail = ''): Template => ({
  id,
  title,
  description: `What ${title} does.`,
  thumbnail,
  workflow,
  base: 'templates',
});

const some = [
  template('text_to_image', 'Text to image', '/t.webp'),
  template('inpainting', 'Inpainting'),
  template('k3_text', 'Text to image, 3'),
];

describe('groups', () => {
  it('are none while there are few', () => {
    expect(templateGroups(some, '').map((group) => group.title)).toEqual(['']);
    expect(templateGroups([], '')).toEqual([]);
  });

  it('are the systems, ours first, where there are many', () => {
    const ids = ['k20_a', 'k3_a', ...Array.from({ length: 10 }, (_, i) => `t${i}`), 'k21_a'];
    const groups = templateGroups(
      ids.map((id) => template(id, id)),
      '',
    );
    expect(groups.map((group) => [group.title, group.templates.length])).toEqual([
      ['Kandinsky 2.2', 10],
      ['Kandinsky 3', 1],
      ['Kandinsky 2.1', 1],
      ['Kandinsky 2.0', 1],
    ]);
  });

  it('hold what the words find, in any order and case', () => {
    const found = (query: string) =>
      templateGroups(some, query).flatMap((group) => group.templates.map(({ id }) => id));
    expect(found('IMAGE text')).toEqual(['text_to_image', 'k3_text']);
    expect(found('kandinsky 3')).toEqual(['k3_text']);
    expect(found('  inpainting ')).toEqual(['inpainting']);
    expect(found('nothing like it')).toEqual([]);
  });
});

describe('arrow keys', () => {
  // Two rows of three, and one card below.
  const spots = [0, 1, 2, 3, 4, 5, 6].map((i) => ({ left: (i % 3) * 100, top: Math.floor(i / 3) * 80 }));

  it('go along and across rows', () => {
    expect(stepTo(spots, 1, 'ArrowRight')).toBe(2);
    expect(stepTo(spots, 2, 'ArrowRight')).toBe(3);
    expect(stepTo(spots, 1, 'ArrowDown')).toBe(4);
    expect(stepTo(spots, 5, 'ArrowDown')).toBe(6);
    expect(stepTo(spots, 6, 'ArrowUp')).toBe(3);
    expect(stepTo(spots, 4, 'ArrowUp')).toBe(1);
    expect(stepTo(spots, 3, 'End')).toBe(6);
    expect(stepTo(spots, 3, 'Home')).toBe(0);
  });

  it('stay at the edges and leave other keys alone', () => {
    expect(stepTo(spots, 0, 'ArrowLeft')).toBe(0);
    expect(stepTo(spots, 0, 'ArrowUp')).toBe(0);
    expect(stepTo(spots, 6, 'ArrowDown')).toBe(6);
    expect(stepTo(spots, 6, 'ArrowRight')).toBe(6);
    expect(stepTo(spots, 3, 'Enter')).toBe(null);
  });
});

describe('the drawing of a workflow', () => {
  it('has its boxes where the nodes lie, and its wires', () => {
    const { boxes, wires, viewBox } = sketch(workflow);
    expect(boxes.map(({ x, y }) => [x, y])).toEqual([
      [0, 0],
      [300, 100],
    ]);
    expect(wires).toHaveLength(1);
    const [left, top, width, height] = viewBox.split(' ').map(Number);
    expect(left).toBeLessThan(0);
    expect(top).toBeLessThan(0);
    expect(left + width).toBeGreaterThan(520);
    expect(top + height).toBeGreaterThan(170);
  });

  it('holds for odd places, no nodes, and wires to nowhere', () => {
    expect(sketch({ ...workflow, nodes: {} }).boxes).toEqual([]);
    const odd = sketch({
      ...workflow,
      nodes: {
        a: { type: 'x', ui: { position: 'here' as never }, inputs: { i: 'gone.out' } },
        b: { type: 'x', ui: { position: [NaN, 1] } },
      },
    });
    expect(odd.viewBox).not.toContain('NaN');
    expect(odd.wires).toEqual([]);
    expect(odd.boxes[0]).not.toMatchObject({ x: odd.boxes[1].x });
  });
});

describe('the browser', () => {
  const open = () => {
    const [onpick, onclose] = [vi.fn(), vi.fn()];
    return { onpick, onclose, ...show(Templates, { templates: some, onpick, onclose }) };
  };

  it('shows a picture where there is one, else a drawing', () => {
    const { all } = open();
    const [first, second] = all('.card');
    expect(first.querySelector('img')!.getAttribute('src')).toBe('/t.webp');
    expect(second.querySelectorAll('rect.head')).toHaveLength(2);
    expect(second.textContent).toContain('What Inpainting does.');
  });

  it('picks by click, and the first that was found by Enter in the search', () => {
    const { all, one, onpick } = open();
    click(all('.card')[1]);
    expect(onpick).toHaveBeenLastCalledWith(some[1]);
    const field = one<HTMLInputElement>('input');
    expect(field.getRootNode()).toHaveProperty('activeElement', field);
    write(field, 'image, 3');
    expect(all('.card')).toHaveLength(1);
    expect(key(field, 'Enter').defaultPrevented).toBe(true);
    expect(onpick).toHaveBeenLastCalledWith(some[2]);
  });

  it('is one stop for Tab, and the arrows go on from there', () => {
    const { all, one, root } = open();
    const cards = all('.card');
    expect(cards.map((card) => card.tabIndex)).toEqual([0, -1, -1]);
    key(one('input'), 'ArrowDown');
    expect(root.activeElement).toBe(cards[0]);
    key(cards[0], 'ArrowRight');
    expect(root.activeElement).toBe(cards[1]);
    expect(all('.card').map((card) => card.tabIndex)).toEqual([-1, 0, -1]);
  });

  it('says when nothing is found, and Enter picks nothing then', () => {
    const { one, text, onpick } = open();
    write(one<HTMLInputElement>('input'), 'zebra');
    expect(text()).toContain('No template has “zebra” in it.');
    key(one('input'), 'Enter');
    expect(onpick).not.toHaveBeenCalled();
  });
});
