"""Markdown of strangers as HTML."""

from __future__ import annotations

import pytest

from ui.server.markdown import to_html


def test_what_people_write_is_shown() -> None:
    shown = to_html("# Title\n\n*now* **bold** [here](https://example.org)\nnext\n\n- one\n\n|a|\n|-|\n|b|\n")
    for part in (
        "<h1>Title</h1>",
        "<em>now</em>",
        "<strong>bold</strong>",
        "<br",
        "<li>one</li>",
        "<td>b</td>",
    ):
        assert part in shown
    assert '<a href="https://example.org" target="_blank" rel="noopener noreferrer">here</a>' in shown


@pytest.mark.parametrize(
    "text",
    [
        '![a "b" <i>](http://x/y.png "title")',
        "![a][r]\n\n[r]: http://x/y.png",
        r"\\![a](http://x/y.png)",
        '<img src="http://x/y.png">',
        '<svg><image href="http://x/y.png"/></svg>\n<style>@import "http://x";</style>',
        "[a](javascript:alert(1)) [b](data:text/html,x) <javascript:alert(1)>",
        '```mermaid\nA@{ img: "http://x/y.png" }\n```',
        '[a](<http://x"onclick="alert(1)>)',
    ],
)
def test_nothing_is_fetched_or_run(text: str) -> None:
    shown = to_html(text)
    tags = {part.split(">")[0].split()[0].strip("/") for part in shown.split("<")[1:]}
    assert tags <= {"p", "a", "pre", "code", "br"}, shown
    assert 'href="javascript' not in shown and 'href="data' not in shown and '"onclick' not in shown
