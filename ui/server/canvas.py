"""The canvas as a Gradio component: a host element that loads the bundle, and what the bundle may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.server.questions import QUESTIONS
from ui.server.routes import bundle_url

# Nothing in it changes, so Gradio never touches the element again.
_TEMPLATE = "<div class='kandinsky-canvas' role='region' aria-label='Canvas'></div>"

_ON_LOAD = """
const host = element.querySelector('.kandinsky-canvas');
// Where the page is, as the browser sees it: a proxy may call the server by another name than people do.
const root = new URL('.', location.href).href.replace(/\\/$/, '');
const fail = (error) => {
  console.error(error);
  const reason = error?.message ?? error;
  host.textContent = `The canvas could not be started: ${reason}. Reload the page to try again.`;
  host.setAttribute('role', 'alert');
  host.style.padding = '2rem';
};
import(root + '__URL__')
  .then((bundle) => bundle.mount(host, bundle.gradioBridge({ server, root })))
  .catch(fail);
"""

_NOT_BUILT = """
const host = element.querySelector('.kandinsky-canvas');
host.textContent = 'The canvas is not built: run npm ci && npm run build in ui/frontend.';
host.setAttribute('role', 'alert');
"""


def canvas() -> gr.HTML:
    """The node editor, as large as what it is in.

    No class of its own: Gradio would write a stub file beside this module for one.
    """
    return gr.HTML(
        html_template=_TEMPLATE,
        css_template="height: 100dvh; .kandinsky-canvas { height: 100%; }",
        js_on_load=_ON_LOAD.replace("__URL__", bundle_url()) if bundle_url() else _NOT_BUILT,
        apply_default_css=False,
        server_functions=[_server_function(question) for question in QUESTIONS],
        elem_id="canvas",
    )


def _server_function(question: str) -> Callable[..., str]:
    """A function that Gradio lets the browser call. It never is: `questions_route.py` answers."""

    def ask(fields: Any) -> str:
        raise NotImplementedError(fields)

    ask.__name__ = question
    return ask
