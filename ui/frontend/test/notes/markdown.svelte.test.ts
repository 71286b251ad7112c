import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import Markdown from '../../src/canvas/notes/Markdown.svelte';
import { toHtml } from '../../src/canvas/notes/markdown';

/** Everything that is left of a text, as elements. */
function parse(text: string): HTMLElement {
  const box = document.createElement('div');
  box.innerHTML = toHtml(text);
  return box;
}

it('shows Markdown', () => {
  const box = parse('# Title\n\nA *word*, `code`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |');
  expect(box.querySelector('h1')?.textContent).toBe('Title');
  expect(box.querySelector('em')?.textContent).toBe('word');
  expect(box.querySelectorAll('li')).toHaveLength(2);
  expect(box.querySelectorAll('td')).toHaveLength(2);
});

it('opens links in a tab that knows nothing of this one', () => {
  const link = parse('[docs](https://example.org/a "t")').querySelector('a')!;
  expect(link.getAttribute('href')).toBe('https://example.org/a');
  expect(link.target).toBe('_blank');
  expect(link.rel).toContain('noopener');
});

it.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' java\tscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  '//elsewhere.example/x',
  '/gradio_api/call/delete',
])('leaves no link to %j', (address) => {
  const box = parse(`[click](<${address}>) <a href="${address}">here</a>`);
  expect([...box.querySelectorAll('[href]')].map((link) => link.getAttribute('href'))).toEqual([]);
});

it('keeps links to pages and mail', () => {
  const box = parse('<https://a.example> [m](mailto:a@b.example) [h](http://c.example)');
  const links = [...box.querySelectorAll('a')].map((link) => link.getAttribute('href'));
  expect(links).toEqual(['https://a.example', 'mailto:a@b.example', 'http://c.example']);
});

const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '![tracked](https://elsewhere.example/pixel.png)',
  '![x](data:image/svg+xml;base64,PHN2Zz4=)',
  '<svg onload=alert(1)><use href="https://elsewhere.example/x.svg#a"/></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<iframe src="https://elsewhere.example"></iframe>',
  '<video src="https://elsewhere.example/v.mp4" poster="https://elsewhere.example/p.png"></video>',
  '<link rel=stylesheet href="https://elsewhere.example/a.css">',
  '<style>@import url(https://elsewhere.example/a.css); * { display: none }</style>',
  '<div style="position:fixed;inset:0;background:url(https://elsewhere.example/b.png)">over all</div>',
  '<form action="https://elsewhere.example"><input name=password><button>Log in</button></form>',
  '<p id="canvas" class="node" name="body" onclick="alert(1)" data-x="1">text</p>',
  '<a href="https://ok.example" ping="https://elsewhere.example" onmouseover="alert(1)">a</a>',
  '<object data="https://elsewhere.example"></object><embed src="https://elsewhere.example">',
  '<base href="https://elsewhere.example/"><meta http-equiv=refresh content="0;url=https://elsewhere.example">',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
  '<template><script>alert(1)</script></template>',
  '`<img src=x onerror=alert(1)>`',
  '```html\n<script>alert(1)</script>\n```',
];

it.each(HOSTILE)('lets nothing run or be fetched: %s', (text) => {
  const elements = [...parse(text).querySelectorAll('*')];
  const forbidden =
    'script,img,svg,math,iframe,video,link,style,form,input,button,object,embed,base,meta,template';
  expect(elements.filter((element) => element.matches(forbidden))).toEqual([]);
  const names = elements.flatMap((element) => element.getAttributeNames());
  const allowed = ['href', 'title', 'target', 'rel', 'start', 'align', 'colspan', 'rowspan'];
  expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
});

it('shows the description of a picture in its place, as text', () => {
  expect(parse('![a <b>cat</b>](https://elsewhere.example/x.png)').textContent).toContain('a <b>cat</b>');
});

it('follows its text', () => {
  const target = document.createElement('div');
  const props = $state({ source: '*one*' });
  const app = mount(Markdown, { target, props });
  expect(target.querySelector('em')?.textContent).toBe('one');
  props.source = '**two**';
  flushSync();
  expect(target.querySelector('strong')?.textContent).toBe('two');
  void unmount(app);
});
