/** The templates as their browser shows them: found by words, and in groups where there are many. */
import type { Template } from './bridge';
import { found } from '../view/find';

export interface TemplateGroup {
  /** Empty where everything is in one group. */
  title: string;
  templates: Template[];
}

/** More than these need groups to be looked through. */
const FEW = 12;

/** What the id of a template begins with says which system it is for. */
const SYSTEMS: [RegExp, string][] = [
  [/^k3_/, 'Kandinsky 3'],
  [/^k21_/, 'Kandinsky 2.1'],
  [/^k20_/, 'Kandinsky 2.0'],
];
const USUAL = 'Kandinsky 2.2';

function systemOf(template: Template): string {
  return SYSTEMS.find(([prefix]) => prefix.test(template.id))?.[1] ?? USUAL;
}

/** The templates that a query finds, in their order; in groups where there are many in all. */
export function templateGroups(templates: Template[], query: string): TemplateGroup[] {
  const grouped = templates.length > FEW;
  const groups = new Map<string, Template[]>();
  for (const template of templates) {
    const { id, title, description } = template;
    const system = systemOf(template);
    if (!found(query, id.replaceAll('_', ' '), title, description, system)) continue;
    const group = grouped ? system : '';
    groups.set(group, [...(groups.get(group) ?? []), template]);
  }
  const order = [USUAL, ...SYSTEMS.map(([, title]) => title)];
  return [...groups]
    .map(([title, list]) => ({ title, templates: list }))
    .sort((a, b) => order.indexOf(a.title) - order.indexOf(b.title));
}
