// Lays workflow files out anew, in place: `node layout.mjs CATALOGUE FILE...`; CATALOGUE is what
// `kandinsky nodes --json` prints. Nodes grow with the program; the templates are to look right all the same.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'vite';

const [catalogueFile, ...files] = process.argv.slice(2);
const server = await createServer({ configFile: false, server: { middlewareMode: true }, appType: 'custom' });
const { Catalogue } = await server.ssrLoadModule('/src/core/server/catalogue.ts');
const { layOut } = await server.ssrLoadModule('/src/core/layout/layout.ts');
const catalogue = new Catalogue(JSON.parse(readFileSync(catalogueFile, 'utf8')));

for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const workflow = JSON.parse(text);
  const ids = Object.keys(workflow.nodes);
  const places = layOut(workflow, catalogue, ids);
  let at = 0;
  const laid = text.replace(
    /"position": \[[^\]]*\]/g,
    () => `"position": [${places.get(ids[at++]).join(', ')}]`,
  );
  if (at !== ids.length) throw new Error(`${file}: every node needs a position to replace`);
  writeFileSync(file, laid);
}
await server.close();
