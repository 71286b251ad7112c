"""A real server on a free port, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graph.nodetypes.catalogue import Catalogue, node_types_of
from nodes import load_image, mask, note, preview, resize, save_image
from tests.ui import toy_pack
from ui.server.accounts import Accounts
from ui.server.reach import Reach
from ui.server.serving import listen, server
from ui.studio.studio import Places, Studio

PICTURES = (load_image, mask, note, preview, resize, save_image)


def toys_and_pictures() -> Catalogue:
    """Nodes that need no checkpoint."""
    return Catalogue(
        [*node_types_of(toy_pack), *(node.node_type for node in PICTURES)]  # type: ignore[attr-defined]
    )


def places(folder: Path) -> Places:
    """Everything below one folder."""
    return Places(folder / "outputs", folder / "saved", folder / "inputs", folder / "cache")


@contextmanager
def served(studio: Studio, accounts: Accounts | None = None, **reach: Any) -> Iterator[str]:
    """The address of a server, as long as it runs; `reach` is what its options say."""
    opened = listen("127.0.0.1", 0)
    with server(studio, Reach(accounts=accounts, **reach)) as serving:
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        while not serving.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            serving.should_exit = True
            studio.runs.close()
            thread.join(10)
