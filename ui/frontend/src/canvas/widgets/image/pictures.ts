/** Pictures as values of params: where they are seen, how they get to the server, what they are called. */
import { getContext } from 'svelte';
import { BridgeError, type Bridge, type UploadedPicture } from '../../../core/server/bridge';

/** The context `pictures`, which the canvas sets. */
export interface Pictures {
  bridge: Pick<Bridge, 'upload' | 'pictureUrl'>;
  /** The folder that relative paths start from. */
  base(): string;
}

export function usePictures(): Pictures {
  return getContext<Pictures>('pictures');
}

/** What uploaded pictures were called; content has no name of its own. */
const names = new Map<string, string>();

/** Sends a picture to the server. */
export async function sendPicture(
  bridge: Pick<Bridge, 'upload'>,
  file: Blob,
  name: string,
): Promise<UploadedPicture> {
  if (!file.type.startsWith('image/')) throw new BridgeError(`${name} is not a picture.`);
  const uploaded = await bridge.upload(file);
  names.set(uploaded.ref, name);
  return uploaded;
}

/** What a picture is called: its file's name, or the start of what its content is called by. */
export function pictureName(value: string): string {
  const known = names.get(value);
  if (known) return known;
  if (value.startsWith('sha256:')) return value.slice(7, 15);
  return value.split(/[\\/]/).at(-1) || value;
}

/** Why something did not work, as one sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof BridgeError ? error.message : 'The picture could not be sent; try again.';
}

/** The first picture among files that are dropped or pasted; else the first file, to say what is wrong with it. */
export function pictureAmong(data: DataTransfer | null): File | null {
  const files = [...(data?.files ?? [])];
  return files.find((file) => file.type.startsWith('image/')) ?? files[0] ?? null;
}
