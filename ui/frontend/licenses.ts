/** A Vite plugin: beside the bundle goes a text with the licence of every package that has code in it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const INSIDE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

export function licenses(fileName: string): Plugin {
  return {
    name: 'licenses',
    generateBundle(_, bundle) {
      const folders = new Map<string, string>();
      for (const chunk of Object.values(bundle)) {
        for (const id of chunk.type === 'chunk' ? chunk.moduleIds : []) {
          const [, folder, name] = INSIDE.exec(id.replace(/^\0/, '')) ?? [];
          if (folder && name) folders.set(name, folder);
        }
      }
      const sections = [...folders].sort().map(([name, folder]) => section(name, folder));
      this.emitFile({ type: 'asset', fileName, source: sections.join(`\n${'-'.repeat(80)}\n\n`) });
    },
  };
}

function section(name: string, folder: string): string {
  const read = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf-8')) as {
    version: string;
    license?: string;
  };
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.(md|txt))?$/i.test(entry));
  if (!file) throw new Error(`${name} comes without a licence`);
  return `${name} ${read.version} (${read.license})\n\n${readFileSync(join(folder, file), 'utf-8').trim()}\n`;
}
