"""A browser's side of the server: cookies, questions, event streams; over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx


class Refusal(Exception):
    """The server answered with an error, in a sentence."""


class Browser:
    """One visitor. `enter` opens the page, as a browser does first."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, verify=False, trust_env=False)
        self._canvas = 0

    def enter(self) -> Browser:
        """Open the page: from now on this visitor is known."""
        assert self.http.get("/").status_code == 200
        return self

    def login(self, name: str, password: str) -> int:
        """Log in; the status of the answer."""
        return self.http.post("/login", data={"username": name, "password": password}).status_code

    def call(self, question: str, **fields: Any) -> httpx.Response:
        """Ask as the canvas does."""
        if not self._canvas:
            config = self.http.get("/config").json()
            names = [c for c in config["components"] if "hello" in (c["props"].get("server_fns") or [])]
            self._canvas = names[0]["id"]
        body = {
            "component_id": self._canvas,
            "fn_name": question,
            "session_hash": "session",
            "data": json.dumps(fields),
        }
        return self.http.post("/gradio_api/component_server", json=body)

    def ask(self, question: str, **fields: Any) -> Any:
        """The answer to a question; raises Refusal."""
        answer = json.loads(self.call(question, **fields).json())
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer["answer"]

    def events(self, run: str, since: int = 0) -> Iterator[dict[str, Any]]:
        """The events of a run as they come, to its end."""
        with self.http.stream("GET", f"/kandinsky/runs/{run}/events", params={"since": since}) as stream:
            if stream.status_code != 200:
                stream.read()
                raise Refusal(stream.json()["error"])
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield from json.loads(line[6:])

    def run(self, workflow: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
        """Start a run and wait; all of its events."""
        return list(self.events(self.ask("start", workflow=workflow, **fields)["run"]))
