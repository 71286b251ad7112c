"""What a source means, and where its files may lie."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graph.context import Environment, Unavailable
from graph.files.allowed import Files
from nodes.checkpoints import hub, locate
from nodes.checkpoints.locate import Checkpoint
from nodes.files.reading import CheckpointError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDERS = (("unet",), ("scheduler",), ("movq", "vae"))


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder and an empty hub cache."""
    from huggingface_hub import constants

    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("KANDINSKY_MODELS", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def find(source: str, base: Path, revision: str = "", download: bool = False, **options: Any) -> Checkpoint:
    environment = Environment(Files(base, cwd=base), download=download)
    options = {"kind": "decoder", "folders": FOLDERS, "dtype": "float32", **options}
    return locate.locate(source, revision, environment, **options)


def make(folder: Path) -> Path:
    """A folder that looks like a decoder."""
    for part in ("unet", "movq"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
        (folder / part / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    (folder / "scheduler").mkdir()
    index = {"_class_name": "KandinskyV22Pipeline", "unet": [], "movq": [], "scheduler": []}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


class TestFolders:
    @pytest.mark.parametrize("source", ["./mine", "absolute"])
    def test_a_path_is_a_folder_below_the_workflow(self, tmp_path: Path, source: str) -> None:
        make(tmp_path / "mine")
        found = find(str(tmp_path / "mine") if source == "absolute" else source, tmp_path)
        assert found.root == tmp_path / "mine" and found.revision == ""

    def test_a_name_is_looked_up_in_the_models_folder(self, tmp_path: Path, models: Path) -> None:
        make(models / "owner" / "mine")
        assert find("owner/mine", tmp_path).root == models / "owner" / "mine"

    def test_several_checkpoints_side_by_side(self, tmp_path: Path, models: Path) -> None:
        make(models / "mine" / "decoder")
        assert find("mine", tmp_path).root == models / "mine" / "decoder"
        assert find("mine", tmp_path, kind="prior").root == models / "mine"

    @pytest.mark.parametrize("source", ["../outside", "/etc", "./link"])
    def test_paths_that_lead_elsewhere_are_refused(self, tmp_path: Path, source: str) -> None:
        make(tmp_path / "outside")
        base = tmp_path / "base"
        base.mkdir()
        (base / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(ValueError, match=r"outside the folders|does not exist"):
            find(source, base)

    @pytest.mark.parametrize("source", ["", "a/../../etc", "a\0b", "x" * 400])
    def test_nonsense_is_refused(self, tmp_path: Path, source: str) -> None:
        with pytest.raises(CheckpointError, match="means nothing"):
            find(source, tmp_path)

    def test_a_link_inside_may_not_lead_out(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.json"
        secret.write_text("{}")
        base = tmp_path / "base"
        folder = make(base / "mine")
        (folder / "unet" / "config.json").unlink()
        (folder / "unet" / "config.json").symlink_to(secret)
        (base / "shared.json").write_text("{}")
        (folder / "movq" / "config.json").unlink()
        (folder / "movq" / "config.json").symlink_to(base / "shared.json")
        found = find("./mine", base)
        assert found.require("movq/config.json"), "a link within the allowed folders is fine"
        with pytest.raises(CheckpointError, match=r"config\.json is a link to .*secret\.json, outside"):
            found.find("unet/config.json")
        with pytest.raises(CheckpointError, match="outside"):
            found.content_hash(folder / "unet" / "config.json")

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        make(tmp_path / "mine")
        found = find("./mine", tmp_path)
        assert found.find("nothing") is None
        with pytest.raises(CheckpointError, match=r"checkpoint \./mine .* has no first or second"):
            found.require("first", "second")

    def test_a_single_file_has_nothing_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "file.safetensors").write_bytes(b"x")
        (tmp_path / "model_index.json").write_text("{}")
        found = find("./file.safetensors", tmp_path)
        assert found.root.is_file() and found.find("model_index.json") is None

    def test_neither_files_nor_folders_have_revisions(self, tmp_path: Path) -> None:
        make(tmp_path / "mine")
        with pytest.raises(CheckpointError, match="revision 'main' is for hub checkpoints"):
            find("./mine", tmp_path, revision="main")

    def test_an_unknown_name_gets_the_nearest_one(self, tmp_path: Path, models: Path) -> None:
        make(models / "landscapes")
        with pytest.raises(Unavailable, match="did you mean 'landscapes'"):
            find("landscape", tmp_path)
        with pytest.raises(Unavailable, match="did you mean 'miniature'"):
            find("minature", tmp_path)


class Hub:
    """A hub of one repository, in place of the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cache: Path, files: dict[str, int]) -> None:
        import huggingface_hub

        self.files, self.fetched, self.cache, self.asked = files, [], cache, 0
        hub._answer.cache_clear()
        monkeypatch.setattr(hub, "ASKED_AGAIN", 1e9)  # a test is never on both sides of a minute
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)
        monkeypatch.setattr(hub, "download", self.download)

    def model_info(self, *_: object, **__: object) -> SimpleNamespace:
        self.asked += 1
        siblings = [SimpleNamespace(rfilename=name, size=size) for name, size in self.files.items()]
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    def download(self, name: str, commit: str, files: dict[str, int], environment: Environment) -> Path:
        assert environment.download
        self.fetched += files
        folder = self.cache / f"models--{name.replace('/', '--')}" / "snapshots" / commit
        shutil.rmtree(folder, ignore_errors=True)
        return make(folder)


FILES = {
    "README.md": 5,
    "model_index.json": 100,
    "unet/config.json": 100,
    "unet/diffusion_pytorch_model.safetensors": 5_000_000_000,
    "unet/diffusion_pytorch_model.fp16.safetensors": 2_500_000_000,
    "unet/diffusion_pytorch_model.bin": 5_000_000_000,
    "unet/diffusion_pytorch_model.ema.safetensors": 5_000_000_000,
    "unet/evil.py": 10,
    "movq/config.json": 100,
    "movq/diffusion_pytorch_model.safetensors": 300_000_000,
    "scheduler/scheduler_config.json": 100,
    "text_encoder/model.safetensors": 9_000_000_000,
}


class TestHub:
    def test_nothing_is_fetched_without_consent_and_the_size_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = Hub(monkeypatch, tmp_path / "hub", FILES)
        with pytest.raises(
            Unavailable, match=r"owner/name is not on this machine; add --download \(5\.3 GB\)"
        ):
            find("owner/name", tmp_path)
        with pytest.raises(Unavailable, match=r"add --download \(2\.8 GB\)"):
            find("owner/name", tmp_path, dtype="float16")
        assert fake.fetched == []
        assert fake.asked == 1  # a canvas plans at every edit

    def test_with_consent_just_what_is_needed_is_fetched_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = Hub(monkeypatch, tmp_path / "hub", FILES)
        found = find("owner/name", tmp_path, download=True)
        assert found.revision == COMMIT
        assert fake.fetched == [
            "model_index.json",
            "movq/config.json",
            "movq/diffusion_pytorch_model.safetensors",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
        ]
        fake.fetched.clear()
        assert find("owner/name", tmp_path).root == find("owner/name", tmp_path, COMMIT).root == found.root
        assert fake.fetched == []

    def test_a_download_that_stopped_halfway_is_not_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Hub(monkeypatch, tmp_path / "hub", FILES)
        found = find("owner/name", tmp_path, download=True)
        (found.root / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(Unavailable, match="not on this machine"):
            find("owner/name", tmp_path)

    def test_a_part_that_the_repository_does_not_have_is_not_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Hub(monkeypatch, tmp_path / "hub", FILES)
        find("owner/name", tmp_path, download=True)
        assert find("owner/name", tmp_path, folders=(*FOLDERS, ("text_encoder",), ("tokenizer",)))

    def test_pickled_weights_are_not_fetched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = {name: size for name, size in FILES.items() if not name.endswith(".safetensors")}
        Hub(monkeypatch, tmp_path / "hub", files)
        with pytest.raises(CheckpointError, match=r"no safetensors weights for unet, only unet/.*\.bin"):
            find("owner/name", tmp_path, download=True)

    def test_without_a_connection(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = Hub(monkeypatch, tmp_path / "hub", FILES)
        monkeypatch.setattr(fake, "model_info", lambda *_, **__: (_ for _ in ()).throw(OSError("no route")))
        with pytest.raises(Unavailable, match="owner/name is not on this machine; add --download"):
            find("owner/name", tmp_path)
        with pytest.raises(Unavailable, match="there is no connection"):
            find("owner/name", tmp_path, download=True)

    @pytest.mark.parametrize("revision", ["../../x", "-x", "a b", "x" * 200])
    def test_a_revision_is_no_path(self, tmp_path: Path, revision: str) -> None:
        with pytest.raises(CheckpointError, match="is no branch, tag or commit"):
            find("owner/name", tmp_path, revision=revision)

    def test_large_files_have_the_hash_that_the_hub_states(self, tmp_path: Path) -> None:
        repository = tmp_path / "models--a--b"
        stated = "ab" * 32
        (repository / "blobs").mkdir(parents=True)
        (repository / "blobs" / stated).write_bytes(b"large")
        root = repository / "snapshots" / COMMIT
        root.mkdir(parents=True)
        (root / "x.safetensors").symlink_to(repository / "blobs" / stated)
        (root / "small.json").write_bytes(b"{}")
        found = Checkpoint("a/b", COMMIT, root, (repository,), lambda path: f"computed of {path.name}")
        assert found.content_hash(root / "x.safetensors") == stated
        assert found.content_hash(root / "small.json") == "computed of small.json"

    def test_shards_of_one_precision_are_chosen(self) -> None:
        files = [
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/deeper/diffusion_pytorch_model.safetensors",
        ]
        assert hub.choose(files, (("unet",),), "float32", "a/b") == sorted(files[:3])
        assert hub.choose(files, (("unet",),), "float16", "a/b") == files[3:4]
        assert hub.choose(["model.safetensors", "x.md"], (("depth", ""),), "float32", "a/b") == [
            "model.safetensors"
        ]
