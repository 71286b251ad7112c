"""Where the browser asks its questions: the address that Gradio's components call their server functions by.

It is answered here and not by Gradio, which would parse a workflow of any size on the event loop, while
everybody waits, and would keep a session for everyone who asks.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from ui.server.access_guard import owner_of
from ui.server.questions import Questions, Refused, fields_of
from ui.server.workflow_requests import LARGE_BYTES, work
from ui.studio.deadline import TakesLong
from ui.studio.owners import Owner


def add_questions(app: FastAPI, answers: Questions) -> None:
    """Add the route."""

    @app.post("/gradio_api/component_server")
    @app.post("/gradio_api/component_server/")
    async def ask(request: Request) -> Response:
        body = await request.body()
        try:
            large = len(body) > LARGE_BYTES
            return await work(large, _answer, answers, owner_of(request), body)
        except TakesLong as long:
            return JSONResponse(json.dumps({"error": str(long)}))


def _answer(answers: Questions, owner: Owner, body: bytes) -> Response:
    """The answer to a question: a JSON object as text in JSON, as Gradio's server functions return it."""
    try:
        asked: Any = json.loads(body)
        question, fields = asked["fn_name"], asked["data"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return JSONResponse({"error": "a question is a JSON object with fn_name and data"}, 400)
    try:
        answer = {"answer": answers.answer(str(question), owner, fields_of(fields))}
    except Refused as refused:
        answer = {"error": str(refused)}
    except TakesLong:
        raise
    except Exception as error:
        answer = {"error": answers.fault(owner, error)}
    return JSONResponse(json.dumps(answer))
