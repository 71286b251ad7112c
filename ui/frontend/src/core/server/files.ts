/** What is dropped or pasted onto the canvas: a workflow, a picture, or something that it cannot take. */

export type Kind = 'workflow' | 'picture' | 'other';

const MOST_BYTES = 64 * 2 ** 20;
const PICTURES = /\.(png|jpe?g|webp|gif|bmp)$/i;

export function kindOf(file: File): Kind {
  if (file.type === 'application/json' || /\.json$/i.test(file.name)) return 'workflow';
  return file.type.startsWith('image/') || PICTURES.test(file.name) ? 'picture' : 'other';
}

/** Why a file is not even looked at; null if it is. */
export function refuse(file: File): string | null {
  if (file.size > MOST_BYTES)
    return `${file.name} has ${Math.round(file.size / 2 ** 20)} MB; at most 64 MB can be opened`;
  if (kindOf(file) === 'other') return `${file.name} is neither a workflow (JSON) nor a picture`;
  return file.size ? null : `${file.name} is empty`;
}

/** The start of a PNG is enough to tell whether it carries a workflow; others have to be asked. */
export async function mayCarryWorkflow(file: Blob): Promise<boolean> {
  const bytes = new Uint8Array(await file.slice(0, 2 ** 20).arrayBuffer());
  const text = new TextDecoder('latin1').decode(bytes);
  return text.includes('kandinsky-workflow') || file.size > bytes.length;
}

/** Offers a text as a file to save. */
export function download(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A name for a file made of what people call the workflow. */
export function fileName(name: string): string {
  return `${
    name
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, '_')
      .replace(/^_+|_+$/g, '') || 'workflow'
  }.json`;
}
