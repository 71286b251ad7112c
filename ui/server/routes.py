"""Our own routes beside Gradio's: pictures, files to open, and the events of runs.

The guard (`ui/server/access_guard.py`) stands before them, so each knows the requester and asks its store
for what is theirs.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from graph.problems import InvalidWorkflow
from graph.workflow.file import loads
from ui.server.access_guard import owner_of
from ui.server.questions import Questions
from ui.server.workflow_requests import LARGE_BYTES, work
from ui.studio.deadline import TakesLong
from ui.studio.event_log import Event, EventLog
from ui.studio.gallery import thumbnail
from ui.studio.owners import Owner
from ui.studio.runs import UnknownRun
from ui.studio.studio import Studio
from ui.studio.templates import picture, templates
from ui.studio.uploads import UploadRefused

BUNDLE = Path(__file__).parents[1] / "static" / "canvas.js"
HEARTBEAT_SECONDS = 15

_FOREVER = "private, max-age=31536000, immutable"
# Files are shown, never run: whatever they hold, they are not a page of this server.
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def bundle_url() -> str:
    """Where the canvas is, with a hash that changes with its content."""
    return f"/kandinsky/canvas.js?v={_bundle(BUNDLE.stat().st_mtime_ns)[0]}" if BUNDLE.is_file() else ""


@cache
def _bundle(modified: int) -> tuple[str, bytes, bytes]:  # noqa: ARG001 - read again when the file changed
    content = BUNDLE.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16], content, gzip.compress(content)


def add_routes(app: FastAPI, studio: Studio, answers: Questions) -> None:
    """Add every route below `/kandinsky`."""
    router = APIRouter(prefix="/kandinsky")

    @router.get("/here")
    async def here() -> Response:
        """Whether the server is there, and knows who asks."""
        return Response(status_code=204)

    @router.get("/health")
    def health() -> Response:
        """Whether runs are worked on; for whoever watches the server."""
        works = studio.runs.works
        return JSONResponse({"queue": "works" if works else "stopped"}, 200 if works else 503)

    @router.get("/canvas.js")
    def canvas(request: Request) -> Response:
        if not BUNDLE.is_file():
            return _missing()
        _, plain, packed = _bundle(BUNDLE.stat().st_mtime_ns)
        small = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        headers |= {"Content-Encoding": "gzip"} if small else {}
        return Response(packed if small else plain, media_type="text/javascript", headers=headers)

    @router.post("/picture")
    async def upload(request: Request) -> Response:
        content = await request.body()
        try:
            taken = await anyio.to_thread.run_sync(studio.uploads.take, owner_of(request).id, content)
        except UploadRefused as refused:
            return _refused(studio.discretion.text(owner_of(request), str(refused)))
        url = f"/kandinsky/picture/{taken.sha256}"
        size = {"width": taken.width, "height": taken.height}
        return JSONResponse({"ref": f"sha256:{taken.sha256}", "url": url, **size})

    @router.get("/picture/{sha256}")
    def uploaded(request: Request, sha256: str) -> Response:
        return _file(studio.picture(owner_of(request), sha256))

    @router.get("/template/picture/{name}")
    def template_picture(name: str) -> Response:
        return _file(picture(name))

    @router.get("/template/{id}/thumbnail")
    def template_thumbnail(id: str) -> Response:
        return _file(next((item.thumbnail for item in templates() if item.id == id), None))

    @router.get("/result/{id}")
    def result(request: Request, id: str) -> Response:
        found = studio.gallery.get(owner_of(request).id, id)
        return _file(found.path if found is not None else None)

    @router.get("/result/{id}/thumbnail")
    def result_thumbnail(request: Request, id: str) -> Response:
        found = studio.gallery.get(owner_of(request).id, id)
        if found is None or not found.width:
            return _missing()
        headers = {"Cache-Control": _FOREVER, **_SAFE}
        return Response(thumbnail(found.path), media_type="image/webp", headers=headers)

    @router.post("/open")
    async def open_file(request: Request) -> Response:
        content = await request.body()
        try:
            return await work(len(content) > LARGE_BYTES, _opened, answers, owner_of(request), content)
        except InvalidWorkflow as invalid:
            return _refused(studio.discretion.text(owner_of(request), str(invalid.problems[0])))
        except TakesLong as long:
            return _refused(str(long))

    @router.get("/runs/{run}/events")
    async def events(request: Request, run: str, since: int = 0) -> Response:
        try:
            log = studio.runs.log(owner_of(request).id, run)
        except UnknownRun as unknown:
            return _refused(str(unknown), 404)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        seen = partial(studio.discretion.event, owner_of(request))
        return StreamingResponse(_stream(log, since, seen), media_type="text/event-stream", headers=headers)

    app.include_router(router)


def _opened(answers: Questions, owner: Owner, content: bytes) -> Response:
    return JSONResponse(answers.opened(owner, loads(content)))


async def _stream(log: EventLog, since: int, seen: Callable[[Event], Event]) -> AsyncIterator[str]:
    """Batches of events as a stream; who reads slowly gets larger batches, and of previews the newest."""
    async for batch in log.follow(since, HEARTBEAT_SECONDS):
        yield f"data: {_json(list(map(seen, batch)))}\n\n" if batch else ": still here\n\n"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=str))  # "NaN" is a text in JSON


def _file(path: Path | None) -> Response:
    if path is None:
        return _missing()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": _FOREVER, **_SAFE}
    shown = kind.startswith("image/")
    return FileResponse(
        path,
        media_type=kind if shown else "application/octet-stream",
        filename=path.name,
        content_disposition_type="inline" if shown else "attachment",
        headers=headers,
    )


def _missing() -> Response:
    return _refused("there is nothing here", 404)


def _refused(reason: str, status: int = 422) -> Response:
    return JSONResponse({"error": reason}, status_code=status)
