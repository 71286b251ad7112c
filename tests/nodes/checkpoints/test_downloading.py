"""Downloads from a hub over HTTP: whole, stopped, gone on with, failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.context import Cancelled, Environment, Unavailable
from graph.files.allowed import Files
from nodes.checkpoints.downloading import download
from tests.hub_server import COMMIT, Hub, hub_server

# A download is written 10 MB by 10 MB.
FILES = {"model_index.json": b"{}", "unet/model.safetensors": bytes(range(256)) * 90_000, "README.md": b"no"}
WANTED = {name: len(data) for name, data in FILES.items() if name != "README.md"}
WHOLE = sum(WANTED.values())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with hub_server(FILES) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        yield server


def test_what_is_wanted_is_fetched_and_told(hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    environment = Environment(Files(tmp_path), tell=lambda *news: told.append(news))
    folder = download("owner/name", COMMIT, WANTED, environment)
    assert folder == tmp_path / "hub" / "models--owner--name" / "snapshots" / COMMIT
    assert {name: (folder / name).read_bytes() for name in WANTED} == {name: FILES[name] for name in WANTED}
    assert sorted(hub.asked) == sorted(WANTED)
    assert told[0] == ("owner/name", 0, WHOLE)


def test_a_stopped_download_ends_at_once_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    hub.stalls = {"unet/model.safetensors"}
    stop = threading.Event()
    told: list[int] = []

    def tell(_: str, done: int, total: int) -> None:
        assert total == WHOLE
        told.append(done)
        if done:
            stop.set()

    with pytest.raises(Cancelled):
        download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path), tell=tell, cancelled=stop.is_set))
    assert told[0] == 0 and 0 < told[-1] < WHOLE
    hub.stalls.clear()
    folder = download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path)))
    assert (folder / "unet/model.safetensors").read_bytes() == FILES["unet/model.safetensors"]


def test_no_code_from_the_current_folder_is_run(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("nodes/__init__.py", "nodes/checkpoints/__init__.py", "huggingface_hub.py"):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).write_text("raise SystemExit('a stranger was here')")
    monkeypatch.chdir(tmp_path)
    folder = download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path)))
    assert sorted(hub.asked) == sorted(WANTED) and (folder / "model_index.json").exists()


def test_a_download_that_fails_says_why(hub: Hub, tmp_path: Path) -> None:
    del hub.files["unet/model.safetensors"]
    with pytest.raises(
        Unavailable, match=r"^checkpoint owner/name could not .*: .* no unet/model.safetensors$"
    ):
        download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path)))
    hub.shutdown()
    hub.server_close()
    with pytest.raises(Unavailable, match=r"^checkpoint owner/name could not be fetched: "):
        download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path)))


def test_a_disk_that_cannot_be_written_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("in the way")
    with pytest.raises(Unavailable, match=r"could not be fetched: .*hub"):
        download("owner/name", COMMIT, WANTED, Environment(Files(tmp_path)))
