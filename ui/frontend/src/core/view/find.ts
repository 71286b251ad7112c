/** Finding by words: each word of the query must stand somewhere in what is looked through. */
export function found(query: string, ...texts: string[]): boolean {
  const all = texts.join(' ').toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
