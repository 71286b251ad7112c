"""What Gradio's login page says above its fields, and what it would keep to itself.

The page says that a password is wrong, and nothing about any other refusal. A script in its message would not
be run; the handler of an event is.
"""

from __future__ import annotations

from html import escape

_SHOW_PAUSES = """
const said = this.nextElementSibling;
const ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await ask(...asked);
  said.textContent = answer.status === 429 ? (await answer.clone().json()).detail : '';
  return answer;
};
"""


def login_message(title: str) -> str:
    """The HTML of the message; a title that stands anywhere in a page is the page's."""
    handler = f'<img src="data:," alt="" hidden onerror="{escape(_SHOW_PAUSES)}">'
    said = '<strong role="alert" style="display: block; margin-top: 1em"></strong>'
    return f"<title>{title}</title>{title} wants to know who you are.{handler}{said}"
