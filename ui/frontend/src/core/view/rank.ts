/** Searching a short list by what people type: all words have to be found; early and whole finds come first. */

/** Items that a text finds, best first; every item, in order, for an empty text. `texts`: the weightiest first. */
export function rank<T>(items: readonly T[], text: string, texts: (item: T) => string[]): T[] {
  const words = text
    .toLowerCase()
    .split(/[\s_]+/)
    .filter(Boolean);
  if (!words.length) return [...items];
  const scored = items.flatMap((item, index) => {
    const fields = texts(item).map((field) => field.toLowerCase());
    let score = 0;
    for (const word of words) {
      const scores = fields.map((field, place) => scoreOf(field, word) / (1 + 2 * place));
      const best = Math.max(...scores);
      if (best === 0) return [];
      score += best;
    }
    return [{ item, score, index }];
  });
  scored.sort((a, b) => b.score - a.score || a.index - b.index);
  return scored.map(({ item }) => item);
}

function scoreOf(field: string, word: string): number {
  const at = field.indexOf(word);
  if (at === 0) return field.length === word.length ? 12 : 10;
  if (at > 0) return /[\s_./-]/.test(field[at - 1]) ? 8 : 4;
  return isSubsequence(field.slice(0, 40), word) ? 1 : 0;
}

/** Letters in order with gaps: "unde" finds "unet denoise". */
function isSubsequence(field: string, word: string): boolean {
  if (word.length < 3) return false;
  let at = -1;
  for (const letter of word) {
    at = field.indexOf(letter, at + 1);
    if (at < 0) return false;
  }
  return true;
}
