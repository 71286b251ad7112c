/**
 * A note's Markdown as HTML that is safe to show. Notes come with workflow files from strangers: nothing in one may
 * run, look like a part of the canvas, or make the page ask another server for anything.
 */
import DOMPurify from 'dompurify';
import { Marked } from 'marked';

const TAGS = [
  ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code'],
  ...['a', 'em', 'strong', 'del', 'sub', 'sup', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
];
const ATTRIBUTES = ['href', 'title', 'start', 'align', 'colspan', 'rowspan'];
const SCHEMES = /^(?:https?|mailto):/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  // A picture would be fetched from wherever the note says: its description stands for it.
  renderer: { image: ({ text }) => escape(text) },
});

const purifier = DOMPurify(window);
purifier.addHook('afterSanitizeAttributes', (element) => {
  if (element.tagName !== 'A') return;
  element.setAttribute('target', '_blank');
  element.setAttribute('rel', 'noopener noreferrer');
});

/** Safe HTML. */
export function toHtml(text: string): string {
  return purifier.sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOWED_URI_REGEXP: SCHEMES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

function escape(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (letter) => entities[letter]);
}
