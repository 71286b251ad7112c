/** Reads a stream of server-sent events, of which only the data counts. */

/** Calls `take` with the data of each event; resolves when the stream ends, rejects when it breaks. */
export async function readStream(
  body: ReadableStream<Uint8Array>,
  take: (data: string) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    let end: number;
    while ((end = text.indexOf('\n\n')) >= 0) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
      if (data.length) take(data.join('\n'));
    }
  }
}
