"""LoRAs in workflows: what is refused before weights are opened, keys, chains, switches, hub repositories."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import graph
from graph.context import Environment, Unavailable
from graph.files.allowed import Files
from nodes.checkpoints import hub
from nodes.files.reading import CheckpointError
from nodes.load.load_lora import load_lora
from nodes.parts import Prior, UNet
from nodes.weights.open_network import open_network
from nodes.weights.residency import residency
from tests.nodes import tiny, tiny21
from tests.nodes.stages import decoder_parts, prior_parts, run_nodes

LAYER = "mid_block.attentions.0.to_q"
IN_PRIOR = "transformer_blocks.1.attn1.to_q"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("lora")
    return {
        "2.2": tiny.tiny_decoder(root / "22"),
        "2.1": tiny21.tiny_decoder21(root / "21"),
        "prior": tiny.tiny_prior(root / "prior"),
    }


@pytest.fixture
def unet(folders: dict[str, Path]) -> UNet:
    return decoder_parts(folders["2.2"]).unet


def matrices(layer: str = LAYER, size: int = 64, rank: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """A LoRA of one layer."""
    source = torch.Generator().manual_seed(seed)
    return {
        f"{layer}.lora_A.weight": torch.randn(rank, size, generator=source),
        f"{layer}.lora_B.weight": torch.randn(size, rank, generator=source),
    }


def write(path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    save_file(tensors, path, metadata=metadata or None)
    return path


def adapted(base: UNet | Prior, source: Path | str, weight: float = 1.0, **more: Any) -> Any:
    environment = Environment(Files(Path(source), cwd=Path(source)))
    return load_lora(base, source=str(source), weight=weight, environment=environment, **more).model


def weight_of(handle: Any, layer: str = LAYER) -> torch.Tensor:
    return open_network(handle, "cpu").get_submodule(layer).weight


def test_the_weights_change_by_the_product(unet: UNet, tmp_path: Path) -> None:
    tensors = matrices()
    file = write(tmp_path / "lora.safetensors", tensors)
    product = tensors[f"{LAYER}.lora_B.weight"] @ tensors[f"{LAYER}.lora_A.weight"]
    for weight in (1.0, -0.5, 0.0):
        changed = weight_of(adapted(unet, file, weight)) - weight_of(unet)
        torch.testing.assert_close(changed, weight * product, rtol=0, atol=1e-5)
    untouched = "mid_block.attentions.0.to_k"
    assert torch.equal(weight_of(adapted(unet, file), untouched), weight_of(unet, untouched))


def test_every_lora_is_another_network(unet: UNet, tmp_path: Path) -> None:
    one = write(tmp_path / "one.safetensors", matrices())
    two = write(tmp_path / "two.safetensors", matrices(seed=1))
    handles = [
        unet,
        adapted(unet, one),
        adapted(unet, one, 0.5),
        adapted(unet, two),
        adapted(adapted(unet, one), two),
        adapted(adapted(unet, one), one),
    ]
    assert len({handle.cache_key for handle in handles}) == len(handles)
    moved = write(tmp_path / "moved.safetensors", matrices())
    assert adapted(unet, moved).cache_key == adapted(unet, one).cache_key  # the content counts, not the name


def test_planning_opens_no_weights(unet: UNet, tmp_path: Path) -> None:
    residency.clear()
    adapted(unet, write(tmp_path / "lora.safetensors", matrices()))
    assert residency.names() == []


SETTINGS = "lora_adapter_metadata"


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        (
            matrices("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"),
            {},
            "for another network: it",
        ),
        (matrices("mid_block.attentions.0.to_qq"), {}, "the nearest name is mid_block.attentions.0.to_q"),
        (matrices(size=48), {}, r"\(2, 48\), the unet of Kandinsky 2.2 takes \(2, 64\)"),
        (matrices(IN_PRIOR, 24), {}, "it changes transformer_blocks.1.attn1.to_q, which the unet .* lacks"),
        (matrices(f"prior.{IN_PRIOR}", 24), {}, "holds only for prior, expected a LoRA for a unet"),
        ({}, {}, "holds nothing, expected a LoRA"),
        ({"x": torch.zeros(2)}, {}, "is no LoRA: it holds x"),
        ({f"{LAYER}.lora_A.weight": torch.zeros(2, 64)}, {}, f"lacks the up matrix of {LAYER}"),
        ({f"{LAYER}.lora_B.weight": torch.zeros(64, 2)}, {}, f"lacks the down matrix of {LAYER}"),
        (matrices() | {f"{LAYER}.lora_magnitude_vector": torch.zeros(64)}, {}, "is a DoRA"),
        ({f"{LAYER}.lokr_w1": torch.zeros(2, 2)}, {}, "is a LoKr"),
        (matrices() | {f"{LAYER}.lora_B.bias": torch.zeros(64)}, {}, "is a LoRA with biases"),
        (
            matrices(),
            {"base": "a/kandinsky-2-1"},
            "LoRA for Kandinsky 2.1, as it says itself; this is the unet",
        ),
        (matrices(), {"base": "Kandinsky 3"}, "is a LoRA for Kandinsky 3, as"),
        (matrices(), {SETTINGS: "{"}, "lora_adapter_metadata in its header is not a JSON object"),
        (matrices(), {SETTINGS: '{"lora_alpha": "much"}'}, f"the alpha of {LAYER} is 'much'"),
        (matrices(), {SETTINGS: '{"lora_alpha": 1e999}'}, "is inf, expected a number"),
        (matrices(), {SETTINGS: '{"alpha_pattern": {"(a+)+$": 1}}'}, r"alpha_pattern has '\(a\+\)\+\$'"),
        (matrices(), {SETTINGS: '{"use_dora": true}'}, "is a DoRA"),
    ],
)
def test_what_is_refused_before_weights_are_opened(
    unet: UNet, tmp_path: Path, tensors: Any, metadata: Any, message: str
) -> None:
    residency.clear()
    file = write(tmp_path / "lora.safetensors", tensors, **metadata)
    with pytest.raises(CheckpointError, match=message):
        adapted(unet, file)
    assert residency.names() == []


def test_a_lora_of_another_system_is_refused_by_what_it_says(folders, tmp_path: Path) -> None:
    said = write(tmp_path / "lora.safetensors", matrices(), trained_on="community/kandinsky-2-2-decoder")
    assert adapted(decoder_parts(folders["2.2"]).unet, said).loras
    with pytest.raises(CheckpointError, match=r"for Kandinsky 2.2, as it says itself; this is the unet of"):
        adapted(decoder_parts(folders["2.1"]).unet, said)


def test_a_pickle_is_refused(unet: UNet, tmp_path: Path) -> None:
    torch.save(matrices(), tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match="is a pickle"):
        adapted(unet, tmp_path / "lora.safetensors")


def test_a_folder_without_a_lora(unet: UNet, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no pytorch_lora_weights.safetensors or adapter_model"):
        adapted(unet, tmp_path)
    with pytest.raises(CheckpointError, match="revision 'v1' is for hub checkpoints"):
        adapted(unet, tmp_path, revision="v1")


def test_one_file_for_unet_and_prior(folders, unet: UNet, tmp_path: Path) -> None:
    tensors = matrices(f"unet.{LAYER}") | matrices(f"prior.{IN_PRIOR}", 24)
    file = write(tmp_path / "lora.safetensors", tensors)
    prior = prior_parts(folders["prior"]).prior
    assert not torch.equal(weight_of(adapted(unet, file)), weight_of(unet))
    assert not torch.equal(weight_of(adapted(prior, file), IN_PRIOR), weight_of(prior, IN_PRIOR))


def test_a_file_that_changes_after_planning_is_told(unet: UNet, tmp_path: Path) -> None:
    file = write(tmp_path / "lora.safetensors", matrices())
    opened = adapted(unet, file)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"lora.safetensors"):
        open_network(opened, "cpu")


def workflow(folders: dict[str, Path], loras: list[dict[str, Any]]) -> dict[str, Any]:
    """Image embeds of a prompt through a prior with these LoRAs, one after the other."""
    nodes: dict[str, Any] = {
        "models": {"type": "load_prior", "params": {"source": str(folders["prior"])}},
        "prompt": {
            "type": "text_encode",
            "inputs": {"text_encoder": "models.text_encoder"},
            "params": {"text": "a red cube"},
        },
    }
    last = "models.prior"
    for i, lora in enumerate(loras):
        nodes[f"lora_{i}"] = {"type": "load_lora", "inputs": {"model": last}, **lora}
        last = f"lora_{i}.model"
    inputs = {"prior": last, "positive": "prompt.text_embeds"}
    params = {"steps": 2, "guidance": 1.0}
    return nodes | {"prior": {"type": "prior", "inputs": inputs, "params": params}}


@pytest.fixture
def here(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two LoRAs for the prior; checkpoints may be read."""
    monkeypatch.setenv("KANDINSKY_MODELS", str(folders["prior"].parent))
    for i in range(2):
        write(tmp_path / f"{i}.safetensors", matrices(IN_PRIOR, 24, seed=i))
    return tmp_path


def embeds(folders: dict[str, Path], here: Path, *loras: dict[str, Any]) -> Any:
    return run_nodes(here, workflow(folders, list(loras)), made="prior.image_embeds")["made"].image_embeds


def lora(i: int, weight: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"params": {"source": f"./{i}.safetensors", "weight": weight}, **more}


def test_a_chain_in_a_workflow(folders, here: Path) -> None:
    plain = embeds(folders, here)
    both = embeds(folders, here, lora(0), lora(1, 0.5))
    assert np.abs(both - plain).max() > 0.01
    np.testing.assert_allclose(both, embeds(folders, here, lora(1, 0.5), lora(0)), atol=1e-5)
    np.testing.assert_array_equal(plain, embeds(folders, here, lora(0, mode="bypassed")))
    np.testing.assert_array_equal(
        embeds(folders, here, lora(1)), embeds(folders, here, lora(0, mode="bypassed"), lora(1))
    )


def problems(folders: dict[str, Path], here: Path, nodes: dict[str, Any]) -> str:
    with pytest.raises(graph.InvalidWorkflow) as caught:
        run_nodes(here, nodes)
    return str(caught.value)


def test_wrong_wires_and_params_are_told_while_planning(folders, here: Path) -> None:
    nodes = workflow(folders, [lora(0)])
    nodes["lora_0"]["inputs"]["model"] = "models.image_encoder"
    del nodes["prior"]
    assert "a LoRA changes a UNet or a prior, not a image_encoder" in problems(folders, here, nodes)
    assert "no LoRA is chosen" in problems(folders, here, workflow(folders, [{}]))
    assert "weight" in problems(folders, here, workflow(folders, [lora(0, 400.0)]))
    missing = problems(folders, here, workflow(folders, [lora(7)]))
    assert "lora_0" in missing and "7.safetensors" in missing
    nodes = workflow(folders, [lora(0)])
    nodes["lora_0"]["inputs"]["weight"] = "prompt.text_embeds"
    assert "weight" in problems(folders, here, nodes)


def test_it_reads_only_where_it_may(folders, here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = write(tmp_path_factory.mktemp("out") / "a.safetensors", matrices(IN_PRIOR, 24))
    nodes = workflow(folders, [{"params": {"source": str(outside)}}])
    assert "outside" in problems(folders, here, nodes)
    (here / "link.safetensors").symlink_to(outside)
    nodes = workflow(folders, [{"params": {"source": "./link.safetensors"}}])
    assert "outside" in problems(folders, here, nodes)


class TestHub:
    """A repository with a LoRA, in the hub's local cache or fetched."""

    FILES = ("pytorch_lora_weights.safetensors", "adapter_config.json")

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        return tmp_path / "hub" / "models--someone--style"

    def snapshot(self, cache: Path) -> Path:
        folder = cache / "snapshots" / ("0" * 40)
        folder.mkdir(parents=True)
        (cache / "refs").mkdir()
        (cache / "refs" / "main").write_text("0" * 40)
        write(folder / self.FILES[0], matrices())
        (folder / self.FILES[1]).write_text(json.dumps({"lora_alpha": 2, "r": 2}))
        return folder

    def test_from_the_cache(self, cache: Path, unet: UNet) -> None:
        self.snapshot(cache)
        found = adapted(unet, "someone/style")
        assert not torch.equal(weight_of(found), weight_of(unet))

    def test_without_consent_its_size_is_told(self, unet: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = dict.fromkeys((*self.FILES, "big.bin"), 1_500_000_000)
        monkeypatch.setattr(hub, "_ask", lambda *_: ("0" * 40, sizes))
        with pytest.raises(Unavailable, match=r"add --download \(3.0 GB\)"):
            adapted(unet, "someone/style")

    def test_a_repository_without_one(self, unet: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub, "_ask", lambda *_: ("0" * 40, {"model.bin": 1}))
        with pytest.raises(CheckpointError, match="someone/style has none of the files pytorch_lora_weights"):
            adapted(unet, "someone/style")

    def test_what_is_fetched_is_found(self, cache: Path, unet: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[list[str]] = []

        def download(name: str, commit: str, files: dict[str, int], environment: Environment) -> Path:
            asked.append(list(files))
            return self.snapshot(cache)

        monkeypatch.setattr(hub, "_ask", lambda *_: ("0" * 40, dict.fromkeys((*self.FILES, "big.bin"), 9)))
        monkeypatch.setattr(hub, "download", download)
        environment = Environment(Files(cache.parent, cwd=cache.parent), download=True)
        found = load_lora(unet, source="someone/style", environment=environment).model
        assert asked == [list(self.FILES)] and len(found.loras) == 1
