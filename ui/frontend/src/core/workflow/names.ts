/** The names that workflows are saved under. */

const LONGEST = 80;

/** What is wrong with a name, as one sentence; null: nothing. The server checks again. */
export function nameProblem(name: string): string | null {
  if (!name.trim()) return 'A workflow needs a name.';
  if (name !== name.trim()) return 'A name cannot begin or end with a space.';
  const wrong = [...name].find((sign) => !/[\p{L}\p{N} _-]/u.test(sign));
  if (wrong) return `“${wrong}” cannot be in a name: letters, digits, spaces, - and _ can.`;
  if ([...name].length > LONGEST) return `A name has at most ${LONGEST} letters.`;
  return null;
}

/** A name that can be used, made of any title; with a number where it is taken. */
export function nameFrom(title: string, taken: Iterable<string>): string {
  const plain = title
    .replace(/[^\p{L}\p{N} _-]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const stem =
    [...plain]
      .slice(0, LONGEST - 5)
      .join('')
      .trim() || 'Workflow';
  const names = new Set(taken);
  if (!names.has(stem)) return stem;
  for (let number = 2; ; number++) {
    if (!names.has(`${stem} ${number}`)) return `${stem} ${number}`;
  }
}
