/** JSON values: whether two are the same, and how one is shown in a few letters. */

/** Whether two values are written the same in JSON. `undefined` is "not written", which `null` is not. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A value in a few letters: texts are cut, what is not written counts as "default", null as "auto". */
export function brief(value: unknown, letters = 32): string {
  if (value === undefined) return 'default';
  if (value === null) return 'auto';
  if (value === '') return 'empty';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value))
    return value.length ? cut(value.map((item) => brief(item)).join(', '), letters) : 'none';
  if (typeof value === 'string' && value.startsWith('sha256:')) return `picture ${value.slice(7, 13)}`;
  return cut(typeof value === 'object' ? JSON.stringify(value) : String(value), letters);
}

function cut(text: string, letters: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  const signs = [...line];
  return signs.length > letters ? `${signs.slice(0, letters - 1).join('')}…` : line;
}
