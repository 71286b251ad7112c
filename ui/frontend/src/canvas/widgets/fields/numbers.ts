/** Numbers as people type them. */

export interface Range {
  low: number;
  high: number;
  step: number | null;
}

export type NumberKind = 'int' | 'float';

const MOST_STOPS = 1100;

/** What a text says as a number; a comma will do as the decimal point. Null where it says none. */
export function readNumber(text: string): number | null {
  const plain = text.trim().replace(/^([+-]?\d*),(\d+)$/, '$1.$2');
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}

/** A value as it stands in a field: whatever it is, it can be read and corrected. */
export function showValue(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The nearest number that is allowed. */
export function fitted(value: number, kind: NumberKind, range?: Range): number {
  const whole = kind === 'int' ? Math.round(value) : value;
  return range ? Math.min(range.high, Math.max(range.low, whole)) : whole;
}

export function isAllowed(value: number, kind: NumberKind, range?: Range): boolean {
  return fitted(value, kind, range) === value;
}

/** What a field takes, as one sentence. */
export function wanted(kind: NumberKind, range?: Range): string {
  const noun = kind === 'int' ? 'a whole number' : 'a number';
  return range ? `Takes ${noun} from ${range.low} to ${range.high}.` : `Takes ${noun}.`;
}

/** How far one press of an arrow key goes. */
export function stepOf(kind: NumberKind, range?: Range): number {
  return range?.step ?? (kind === 'int' ? 1 : 0.1);
}

/** A number some steps on, without the crumbs of binary fractions (0.1 + 0.2). */
export function moved(value: number, steps: number, kind: NumberKind, range?: Range): number {
  const sum = value + steps * stepOf(kind, range);
  return fitted(Number(sum.toPrecision(12)), kind, range);
}

/** Whether a range is narrow enough to be slid through. */
export function slides(kind: NumberKind, range?: Range): range is Range {
  if (!range || (kind === 'float' && !range.step)) return false;
  return (range.high - range.low) / stepOf(kind, range) <= MOST_STOPS;
}

/** A new seed: up to ten digits, which can still be read out to somebody. */
export function rollSeed(range?: Range): number {
  const [roll] = crypto.getRandomValues(new Uint32Array(1));
  const low = range?.low ?? 0;
  const count = Math.min(2 ** 32, (range?.high ?? Infinity) - low + 1);
  return low + (roll % count);
}
