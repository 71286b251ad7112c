/** Which widget a param gets, and what is wrong with a value: from the param's annotations alone. */
import type { ParamSpec } from '../../core/workflow/types';
import { isAllowed, slides, wanted, type NumberKind } from './fields/numbers';

export type WidgetKind =
  | 'list'
  | 'image'
  | 'mask'
  | 'seed'
  | 'slider'
  | 'number'
  | 'choices'
  | 'tristate'
  | 'switch'
  | 'multiline'
  | 'text';

export function widgetOf(param: ParamSpec): WidgetKind {
  if (param.many) return 'list';
  if (param.file === 'image' || param.file === 'mask') return param.file;
  if (param.choices) return 'choices';
  if (param.type === 'bool') return param.nullable ? 'tristate' : 'switch';
  if (isNumeric(param)) {
    if (param.widget === 'seed') return 'seed';
    return slides(numberKind(param), param.range) ? 'slider' : 'number';
  }
  return param.widget === 'multiline' ? 'multiline' : 'text';
}

export function isNumeric(param: ParamSpec): boolean {
  return param.type === 'int' || param.type === 'float';
}

export function numberKind(param: ParamSpec): NumberKind {
  return param.type === 'int' ? 'int' : 'float';
}

/** One item of a list param, as a param of its own. */
export function itemOf(param: ParamSpec): ParamSpec {
  return { ...param, many: false, nullable: false };
}

/** What a new row of a list holds: the last one's value again. */
export function newItem(param: ParamSpec, values: unknown[]): unknown {
  if (values.length) return values.at(-1);
  if (param.choices) return param.choices[0];
  if (param.type === 'bool') return false;
  if (!isNumeric(param)) return '';
  return isAllowed(1, numberKind(param), param.range) ? 1 : (param.range?.low ?? 1);
}

/** What is wrong with a value, as one sentence; null where it is fine. */
export function complaint(param: ParamSpec, value: unknown): string | null {
  if (value === null) return param.nullable ? null : 'Needs a value.';
  if (param.many) return complaintOfList(param, value);
  if (param.choices) {
    const fine = param.choices.some((choice) => choice === value);
    return fine ? null : `Takes one of ${(param.labels ?? param.choices).join(', ')}.`;
  }
  if (isNumeric(param)) {
    const kind = numberKind(param);
    const fine = typeof value === 'number' && isAllowed(value, kind, param.range);
    return fine ? null : wanted(kind, param.range);
  }
  if (param.type === 'bool') return typeof value === 'boolean' ? null : 'Takes yes or no.';
  return typeof value === 'string' ? null : 'Takes text.';
}

function complaintOfList(param: ParamSpec, value: unknown): string | null {
  if (!Array.isArray(value)) return 'Takes a list.';
  const wrong = value.findIndex((item) => complaint(itemOf(param), item) !== null);
  return wrong < 0 ? null : `Item ${wrong + 1}: ${complaint(itemOf(param), value[wrong])}`;
}
