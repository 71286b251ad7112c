"""A workflow reads what it may, and nothing else; content has one name, remembered until the file changes."""

import base64
import os
import sqlite3
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.files import allowed as files
from graph.files import fingerprints
from graph.files.allowed import FileRefused, Files, FingerprintIndex

HOUR = 3600


def write(path: Path, content: bytes = b"content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workflow's folder, a current folder with inputs/, a models folder, and secrets beside them."""
    write(tmp_path / "flows" / "photo.png", b"flows")
    write(tmp_path / "here" / "inputs" / "photo.png", b"inputs")
    write(tmp_path / "here" / "inputs" / "cat.png", b"cat")
    write(tmp_path / "models" / "decoder" / "config.json", b"{}")
    write(tmp_path / "secret.txt", b"secret")
    write(tmp_path / "extra" / "more.png", b"more")
    return tmp_path


def allowed(place: Path, *roots: Path, assets: dict[str, str] | None = None) -> Files:
    return Files(place / "flows", roots, assets, cwd=place / "here", models=place / "models")


def test_a_relative_path_starts_at_the_workflow_then_in_inputs(place: Path) -> None:
    photo = allowed(place).file("photo.png")
    assert photo.read() == b"flows"
    assert photo.name == "photo.png"
    assert photo.path == (place / "flows" / "photo.png").resolve()
    assert photo.sha256 == sha256(b"flows").hexdigest()
    assert allowed(place).file("cat.png").read() == b"cat"


def test_a_workflow_that_lies_nowhere_reads_inputs(place: Path) -> None:
    assert Files(None, cwd=place / "here", models=place / "models").file("photo.png").read() == b"inputs"


def test_folders_and_files_of_the_models_folder(place: Path) -> None:
    folder = allowed(place).folder(str(place / "models" / "decoder"))
    assert folder == (place / "models" / "decoder").resolve()
    assert allowed(place).folder(str(place / "models" / "decoder" / "config.json")).is_file()


@pytest.mark.parametrize(
    "text", ["../secret.txt", "../flows/../secret.txt", "x/../../secret.txt", "../nothing"]
)
def test_outside_is_refused_and_says_which_folders_are_allowed(place: Path, text: str) -> None:
    for call in (allowed(place).file, allowed(place).folder):
        with pytest.raises(FileRefused, match="outside the folders") as refused:
            call(text)
        for said in (
            "--allow DIR",
            str(place / "flows"),
            str(place / "here" / "inputs"),
            str(place / "models"),
        ):
            assert said in str(refused.value)


def test_outside_does_not_tell_whether_it_exists(place: Path) -> None:
    said = []
    for name in ("secret.txt", "nothing.txt"):
        with pytest.raises(FileRefused) as refused:
            allowed(place).file(str(place / name))
        said.append(str(refused.value).replace(name, ""))
    assert said[0] == said[1]


def test_a_link_that_leads_outside_is_refused(place: Path) -> None:
    (place / "flows" / "link.png").symlink_to(place / "secret.txt")
    (place / "flows" / "folder").symlink_to(place)
    for text in ("link.png", "folder/secret.txt"):
        with pytest.raises(FileRefused, match="outside"):
            allowed(place).file(text)
    (place / "flows" / "fine.png").symlink_to(place / "here" / "inputs" / "cat.png")
    assert allowed(place).file("fine.png").read() == b"cat"


def test_links_in_a_circle_are_refused(place: Path) -> None:
    (place / "flows" / "a").symlink_to("b")
    (place / "flows" / "b").symlink_to("a")
    with pytest.raises(FileRefused):
        allowed(place).file("a")


def test_a_folder_whose_name_only_begins_like_an_allowed_one(place: Path) -> None:
    write(place / "flows-secret" / "x.png")
    with pytest.raises(FileRefused, match="outside"):
        allowed(place).file("../flows-secret/x.png")


def test_more_folders_may_be_allowed(place: Path) -> None:
    assert allowed(place, place / "extra").file(str(place / "extra" / "more.png")).read() == b"more"


def test_what_the_user_set_is_allowed_and_starts_in_the_current_folder(place: Path) -> None:
    write(place / "here" / "photo.png", b"here")
    reader = allowed(place)
    for text, content in [
        (str(place / "secret.txt"), b"secret"),
        ("../extra/more.png", b"more"),
        ("photo.png", b"here"),
    ]:
        reader.allow(text)
        assert reader.file(text).read() == content
    with pytest.raises(FileRefused, match="outside"):
        reader.file("../secret.txt")


def test_missing_names_the_nearest(place: Path) -> None:
    with pytest.raises(
        FileRefused, match=r"'foto.png' does not exist; the nearest name there is 'photo.png'"
    ):
        allowed(place).file("foto.png")
    with pytest.raises(FileRefused, match="does not exist"):
        allowed(place).file("a/b/c.png")
    with pytest.raises(FileRefused, match="does not exist"):
        allowed(place).folder("nothing")


def test_a_folder_is_no_file(place: Path) -> None:
    with pytest.raises(FileRefused, match="is a folder"):
        allowed(place).file(".")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_refused_without_waiting(place: Path) -> None:
    os.mkfifo(place / "flows" / "pipe")
    with pytest.raises(FileRefused, match="pipe"):
        allowed(place).file("pipe")
    with pytest.raises(FileRefused, match="neither"):
        allowed(place).folder("pipe")
    with pytest.raises(FileRefused, match="device"):
        allowed(place, Path("/dev")).file("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        allowed(place).sha256(place / "flows" / "pipe")


def test_too_large_is_refused_before_it_is_read(place: Path) -> None:
    with (place / "flows" / "large").open("wb") as file:
        file.truncate(files.SIZE_LIMIT + 1)
    with pytest.raises(FileRefused, match="bytes"):
        allowed(place).file("large")


@pytest.mark.parametrize(
    "text", ["", "a\0b", "a\nb", "x" * 5000, "x" * 300, "https://example.org/a.png", "file:///etc"]
)
def test_odd_texts_are_refused(place: Path, text: str) -> None:
    for call in (allowed(place).file, allowed(place).folder):
        with pytest.raises(FileRefused):
            call(text)


@given(st.text(st.sampled_from("./\\~:a\0é\ud800*"), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_any_text_is_a_file_inside_or_refused(place: Path, text: str) -> None:
    try:
        found = allowed(place).file(text)
    except FileRefused:
        return
    assert found.path is not None
    assert found.path.is_relative_to(place / "flows") or found.path.is_relative_to(place / "here" / "inputs")


# By content

CONTENT = b"a painted mask"
NAME = sha256(CONTENT).hexdigest()


def test_content_is_found_in_inputs_by_its_name_and_checked(place: Path) -> None:
    write(place / "here" / "inputs" / f"{NAME}.png", CONTENT)
    found = allowed(place).file(f"sha256:{NAME}")
    assert (found.read(), found.sha256) == (CONTENT, NAME)
    write(place / "here" / "inputs" / f"{NAME}.png", b"something else")
    with pytest.raises(FileRefused, match="neither"):
        allowed(place).file(f"sha256:{NAME}")


def test_content_is_found_in_the_assets_and_checked(place: Path) -> None:
    carried = base64.b64encode(CONTENT).decode()
    found = allowed(place, assets={NAME: carried}).file(f"sha256:{NAME}")
    assert (found.read(), found.sha256, found.path) == (CONTENT, NAME, None)
    for wrong, message in [("****", "not base64"), (base64.b64encode(b"other").decode(), "another content")]:
        with pytest.raises(FileRefused, match=message):
            allowed(place, assets={NAME: wrong}).file(f"sha256:{NAME}")


@pytest.mark.parametrize(
    "text", ["sha256:", "sha256:../x", f"sha256:{NAME.upper()}", f"sha256:{NAME}0", "sha256:\0"]
)
def test_names_of_content_are_checked(place: Path, text: str) -> None:
    with pytest.raises(FileRefused, match="64 hexadecimal"):
        allowed(place).file(text)


def test_a_link_named_by_content_that_leads_outside_is_not_followed(place: Path) -> None:
    name = sha256(b"secret").hexdigest()
    (place / "here" / "inputs" / name).symlink_to(place / "secret.txt")
    with pytest.raises(FileRefused, match="neither"):
        allowed(place).file(f"sha256:{name}")


def test_a_file_that_changed_since_it_was_found_is_refused(place: Path) -> None:
    photo = allowed(place).file("photo.png")
    write(place / "flows" / "photo.png", b"other")
    with pytest.raises(FileRefused, match="changed"):
        photo.read()
    (place / "flows" / "photo.png").unlink()
    with pytest.raises(FileRefused, match="cannot be read"):
        photo.read()


def test_the_models_folder_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KANDINSKY_MODELS", str(tmp_path))
    assert files.models_folder() == tmp_path
    monkeypatch.delenv("KANDINSKY_MODELS")
    assert files.models_folder().name == "models"


# The index


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough to be remembered: nobody can set a file's ctime back."""
    monkeypatch.setattr(fingerprints, "SETTLED_NS", 0)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each file that is really read."""
    count: list[int] = []
    original = fingerprints.hashlib.file_digest

    def counted(*arguments: object) -> object:
        count.append(1)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fingerprints.hashlib, "file_digest", counted)
    return count


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_until_it_changes(tmp_path: Path, hashed: list[int]) -> None:
    path = write(tmp_path / "weights", b"one")
    for _ in range(3):  # each time as a new process would
        assert FingerprintIndex(tmp_path / "index").sha256(path) == sha256(b"one").hexdigest()
    assert len(hashed) == 1
    write(path, b"two")
    assert FingerprintIndex(tmp_path / "index").sha256(path) == sha256(b"two").hexdigest()


@pytest.mark.usefixtures("settled")
def test_the_same_size_and_time_do_not_deceive(tmp_path: Path) -> None:
    path, index = write(tmp_path / "weights", b"one"), FingerprintIndex(tmp_path / "index")
    os.utime(path, (1, 1))
    assert index.sha256(path) == sha256(b"one").hexdigest()
    time.sleep(0.02)  # a tick of the file system's clock
    other = write(tmp_path / "other", b"two")
    os.utime(other, (1, 1))
    other.replace(path)
    assert index.sha256(path) == sha256(b"two").hexdigest()


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path, hashed: list[int]) -> None:
    path, index = write(tmp_path / "weights"), FingerprintIndex(tmp_path / "index")
    os.utime(path, (time.time() - HOUR,) * 2)  # its ctime still tells
    index.sha256(path)
    index.sha256(path)
    assert len(hashed) == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_an_empty_one(tmp_path: Path, content: bytes, hashed: list[int]) -> None:
    path = write(tmp_path / "weights")
    write(tmp_path / "index", content)
    for _ in range(2):
        assert FingerprintIndex(tmp_path / "index").sha256(path) == sha256(b"content").hexdigest()
    assert len(hashed) == 1


@pytest.mark.usefixtures("settled")
def test_an_index_damaged_in_the_middle_or_of_another_layout_is_an_empty_one(tmp_path: Path) -> None:
    path = write(tmp_path / "weights")
    with sqlite3.connect(tmp_path / "index") as database:
        database.execute("CREATE TABLE facts (other TEXT)")
    database.close()
    assert FingerprintIndex(tmp_path / "index").sha256(path) == sha256(b"content").hexdigest()


@pytest.mark.usefixtures("settled")
def test_an_index_that_cannot_be_written_lives_in_memory(tmp_path: Path, hashed: list[int]) -> None:
    path = write(tmp_path / "weights")
    index = FingerprintIndex(write(tmp_path / "file") / "index")
    assert index.sha256(path) == index.sha256(path)
    assert len(hashed) == 1


@pytest.mark.usefixtures("settled")
def test_two_indices_share_a_file(tmp_path: Path, hashed: list[int]) -> None:
    first, second = FingerprintIndex(tmp_path / "index"), FingerprintIndex(tmp_path / "index")
    paths = [write(tmp_path / str(i), str(i).encode()) for i in range(10)]
    for i, path in enumerate(paths):
        (first if i % 2 else second).sha256(path)
    for path in paths:
        assert first.sha256(path) == second.sha256(path)
    assert len(hashed) == 10


@pytest.mark.usefixtures("settled")
@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    try:
        write(path)
    except OSError:
        pytest.skip("the file system refuses such names")
    assert FingerprintIndex().sha256(path) == sha256(b"content").hexdigest()
