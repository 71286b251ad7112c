"""Opened networks: the right weights in the right place, and broken ones refused in one sentence."""

import dataclasses
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from graph.context import Environment
from graph.files.allowed import Files
from nodes.files.reading import CheckpointError
from nodes.load.load_kandinsky2 import (
    DecoderParts,
    PriorParts,
    load_decoder,
    load_depth_estimator,
    load_prior,
)
from nodes.networks.config import UnsupportedConfig
from nodes.parts import DepthEstimator, Handle
from nodes.weights import residency as residency_module
from nodes.weights.open_network import open_network
from nodes.weights.residency import Residency


def prior(folder: Path, **params: Any) -> PriorParts:
    return load_prior(source=str(folder), environment=Environment(Files(folder)), **params)


def decoder(folder: Path, **params: Any) -> DecoderParts:
    return load_decoder(source=str(folder), environment=Environment(Files(folder)), **params)


def depth(folder: Path) -> DepthEstimator:
    return load_depth_estimator(source=str(folder), environment=Environment(Files(folder)))


@pytest.fixture(scope="module")
def handles(prior_folder: Path, decoder_folder: Path, depth_folder: Path) -> dict[str, Handle]:
    """Every kind of handle."""
    parts = prior(prior_folder)._asdict() | decoder(decoder_folder)._asdict()
    parts["text_encoder"] = prior(prior_folder).text_encoder
    return parts | {"depth_estimator": depth(depth_folder)}


PARTS = {
    "text_encoder": transformers.CLIPTextModelWithProjection,
    "image_encoder": transformers.CLIPVisionModelWithProjection,
    "prior": diffusers.PriorTransformer,
    "unet": diffusers.UNet2DConditionModel,
    "movq": diffusers.VQModel,
    "depth_estimator": transformers.DPTForDepthEstimation,
}


@pytest.mark.parametrize("part", PARTS)
def test_an_opened_network_has_the_weights_of_the_file(handles: dict[str, Handle], part: str) -> None:
    handle = handles[part]
    network = open_network(handle, "cpu")
    expected = PARTS[part].from_pretrained(handle.folder).state_dict()
    state = network.state_dict()
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert not network.training
    assert not any(p.requires_grad or p.is_meta for p in [*network.parameters(), *network.buffers()])


@pytest.mark.parametrize("part", ["text_encoder", "image_encoder", "depth_estimator"])
def test_what_comes_from_transformers_computes_the_same(handles: dict[str, Handle], part: str) -> None:
    handle = handles[part]
    given = {
        "text_encoder": torch.randint(0, 100, (2, 77), generator=torch.Generator().manual_seed(1)),
        "image_encoder": torch.randn((2, 3, 28, 28), generator=torch.Generator().manual_seed(1)),
        "depth_estimator": torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(1)),
    }[part]
    with torch.inference_mode():
        ours = open_network(handle, "cpu")(given)[0]
        theirs = PARTS[part].from_pretrained(handle.folder)(given)[0]
    assert (ours - theirs).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_are_cast_one_by_one(handles: dict[str, Handle], dtype: str) -> None:
    network = open_network(dataclasses.replace(handles["unet"], dtype=dtype), "cpu")
    assert {parameter.dtype for parameter in network.parameters()} == {getattr(torch, dtype)}


def test_weights_in_their_own_dtype_stay_mapped_to_the_file(handles: dict[str, Handle]) -> None:
    """Two networks from one file share its pages: their tensors are no copies on the heap."""
    parameters = dict(open_network(handles["prior"], "cpu").named_parameters())
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    address = parameters["proj_in.weight"].data_ptr()
    for line in maps.read_text().splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= address < end:
            assert line.endswith("diffusion_pytorch_model.safetensors")


def test_convolutions_are_channels_last(handles: dict[str, Handle]) -> None:
    weight = open_network(handles["unet"], "cpu").state_dict()["conv_in.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.fixture
def copy(tmp_path: Path, decoder_folder: Path) -> Path:
    """A decoder that a test may spoil."""
    return Path(shutil.copytree(decoder_folder, tmp_path / "decoder"))


class TestBrokenWeights:
    def spoil(self, folder: Path, change: Any) -> DecoderParts:
        """Change the MoVQ's tensors."""
        path = folder / "movq" / "diffusion_pytorch_model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)
        return decoder(folder)

    def test_a_missing_tensor(self, copy: Path) -> None:
        parts = self.spoil(copy, lambda tensors: tensors.pop("decoder.conv_in.weight"))
        with pytest.raises(CheckpointError, match=r"the weights in .*movq lack decoder\.conv_in\.weight$"):
            open_network(parts.movq, "cpu")

    def test_a_misspelt_tensor_is_pointed_at(self, copy: Path) -> None:
        def misspell(tensors: dict) -> None:
            tensors["decoder.convin.weight"] = tensors.pop("decoder.conv_in.weight")

        with pytest.raises(CheckpointError, match=r"it has decoder\.convin\.weight instead"):
            open_network(self.spoil(copy, misspell).movq, "cpu")

    def test_an_unexpected_tensor(self, copy: Path) -> None:
        def add(tensors: dict) -> None:
            tensors |= {f"decoder.conv_in.extra{i}": torch.zeros(1) for i in range(5)}

        with pytest.raises(
            CheckpointError, match=r"hold decoder.* and 2 more, which its config does not know"
        ):
            open_network(self.spoil(copy, add).movq, "cpu")

    def test_a_wrong_shape(self, copy: Path) -> None:
        def reshape(tensors: dict) -> None:
            tensors["decoder.conv_in.weight"] = torch.zeros(7, 4, 3, 3)

        message = r"another shape .* decoder\.conv_in\.weight is \(7, 4, 3, 3\), expected \(64, 4, 3, 3\)"
        with pytest.raises(CheckpointError, match=message):
            open_network(self.spoil(copy, reshape).movq, "cpu")

    def test_old_names_of_attention_weights(self, copy: Path) -> None:
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

        def rename(tensors: dict) -> None:
            for name in [name for name in tensors if ".attentions." in name]:
                leaf = next((leaf for leaf in old if f".{leaf}." in name), None)
                if leaf:
                    tensors[name.replace(f".{leaf}.", f".{old[leaf]}.")] = tensors.pop(name)

        before = open_network(decoder(copy).movq, "cpu").state_dict()
        before = {name: tensor.clone() for name, tensor in before.items()}
        after = open_network(self.spoil(copy, rename).movq, "cpu").state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)

    def test_position_ids_of_old_releases_are_ignored(self, tmp_path: Path, prior_folder: Path) -> None:
        folder = Path(shutil.copytree(prior_folder, tmp_path / "prior"))
        path = folder / "text_encoder" / "model.safetensors"
        save_file(load_file(path) | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, path)
        positions = dict(open_network(prior(folder).text_encoder, "cpu").named_buffers())
        assert positions["text_model.embeddings.position_ids"].tolist() == [list(range(77))]

    def test_shards(self, copy: Path) -> None:
        handle = decoder(copy).unet
        whole = {name: tensor.clone() for name, tensor in open_network(handle, "cpu").state_dict().items()}
        shutil.rmtree(copy / "unet")
        unet = diffusers.UNet2DConditionModel.from_config(dict(handle.config))
        unet.load_state_dict(whole)
        unet.save_pretrained(copy / "unet", max_shard_size="1MB")
        sharded = decoder(copy).unet
        assert len(sharded.weights) > 1
        state = open_network(sharded, "cpu").state_dict()
        assert all(torch.equal(whole[name], state[name]) for name in whole)


class TestConfigs:
    @pytest.mark.parametrize("part", ["unet", "movq"])
    @pytest.mark.parametrize("change", [{"act_fn": "mish"}, {"layers_per_blok": 3}])
    def test_an_unknown_value_is_named(self, copy: Path, part: str, change: dict) -> None:
        path = copy / part / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(UnsupportedConfig, match=next(iter(change))):
            open_network(getattr(decoder(copy), part), "cpu")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"hidden_act": "mish7"}, "mish7"),
            ({"model_type": "bert"}, "model_type is 'bert', expected one of clip_text_model"),
            ({"hidden_sise": 3}, "unknown field 'hidden_sise' with value 3; did you mean 'hidden_size'"),
            ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, expected 1 to 256"),
            ({"num_hidden_layers": float("inf")}, "not valid JSON"),
            ({"num_hidden_layers": "two"}, "num_hidden_layers"),
            ({"num_attention_heads": 5}, "multiple of the number of attention heads"),
            ({"num_attention_heads": 0}, "num_attention_heads is 0, expected 1 to 256"),
            ({"hidden_size": -32}, "hidden_size is -32, expected 1"),
            ({"vocab_size": None}, "vocab_size"),
            ({"auto_map": {"AutoModel": "evil.py"}}, "auto_map is"),
            ({"quantization_config": {}}, "quantization_config is"),
        ],
    )
    def test_a_clip_config_is_read_strictly(
        self, tmp_path: Path, prior_folder: Path, change: dict, message: str
    ) -> None:
        folder = Path(shutil.copytree(prior_folder, tmp_path / "prior"))
        path = folder / "text_encoder" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(CheckpointError, match=message):
            open_network(prior(folder).text_encoder, "cpu")

    def test_a_depth_estimator_fetches_no_backbone(self, tmp_path: Path, depth_folder: Path) -> None:
        folder = Path(shutil.copytree(depth_folder, tmp_path / "depth"))
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"backbone": "microsoft/resnet-50"}))
        with pytest.raises(CheckpointError, match="backbone is 'microsoft/resnet-50', expected None"):
            open_network(depth(folder), "cpu")


class TestResidency:
    def test_what_is_open_stays_open(self, handles: dict[str, Handle]) -> None:
        residency = Residency()
        with residency.opened(handles["prior"]) as first:
            pass
        with residency.opened(handles["prior"]) as second:
            assert second is first

    def test_the_least_recently_used_goes_first(self, handles: dict[str, Handle]) -> None:
        sizes = {part: sum(file.stat().st_size for file in handles[part].weights) for part in handles}
        residency = Residency({"cpu": sizes["unet"] + sizes["text_encoder"] + sizes["prior"] + 1000})
        for part in ("unet", "prior", "text_encoder", "prior"):
            with residency.opened(handles[part]):
                pass
        assert residency.names() == ["unet", "text_encoder", "prior"]
        with residency.opened(handles["image_encoder"]):
            assert residency.names() == ["text_encoder", "prior", "image_encoder"]

    def test_what_is_in_use_stays(self, handles: dict[str, Handle]) -> None:
        residency = Residency({"cpu": 1})
        with residency.opened(handles["prior"]), residency.opened(handles["text_encoder"]):
            assert residency.names() == ["prior", "text_encoder"]
        with residency.opened(handles["image_encoder"]):
            assert residency.names() == ["image_encoder"]
        residency.clear()
        assert residency.names() == []

    def test_a_broken_checkpoint_leaves_nothing_behind(self, handles: dict[str, Handle]) -> None:
        residency = Residency()
        broken = dataclasses.replace(handles["prior"], config={"embedding_dim": 33}, fingerprint="other")
        with pytest.raises(CheckpointError), residency.opened(broken):
            pass
        assert residency.names() == []
        with residency.opened(handles["prior"]):
            pass

    def test_one_user_at_a_time_for_each_device(self, handles: dict[str, Handle]) -> None:
        residency, inside, most = Residency(), [], []

        def use() -> None:
            with residency.opened(handles["prior"]):
                inside.append(1)
                most.append(len(inside))
                threading.Event().wait(0.005)
                inside.pop()

        threads = [threading.Thread(target=use) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1] * 6 and residency.names() == ["prior"]

    def test_free_memory_is_known(self) -> None:
        assert residency_module.free_bytes("cpu") > 1 << 20


@pytest.mark.parametrize("offload", ["model", "sequential"])
class TestOffload:
    """The meta device stands in for an accelerator: mixing it with the CPU fails in the same way."""

    def opened(self, handle: Handle, offload: str) -> Any:
        return Residency().opened(dataclasses.replace(handle, device="meta", offload=offload))

    def test_everything_used_is_on_the_device(self, handles: dict[str, Handle], offload: str) -> None:
        with self.opened(handles["unet"], offload) as unet, torch.device("meta"), torch.inference_mode():
            condition = unet.condition(torch.zeros(2, 32))
            assert unet(torch.zeros(2, 4, 8, 8), torch.zeros(2), condition).is_meta
        with self.opened(handles["movq"], offload) as movq, torch.device("meta"), torch.inference_mode():
            assert movq.decode(movq.encode(torch.zeros(1, 3, 64, 64))).is_meta
        with self.opened(handles["prior"], offload) as prior, torch.device("meta"), torch.inference_mode():
            assert prior.denormalise(prior.normalise(torch.zeros(2, 32))).is_meta
        with self.opened(handles["text_encoder"], offload) as encoder, torch.device("meta"):
            assert encoder(torch.zeros(1, 77, dtype=torch.long)).text_embeds.is_meta
        with self.opened(handles["image_encoder"], offload) as encoder, torch.device("meta"):
            assert encoder(torch.zeros(1, 3, 28, 28)).image_embeds.is_meta

    def test_weights_come_home_unharmed(self, handles: dict[str, Handle], offload: str) -> None:
        residency = Residency()
        handle = dataclasses.replace(handles["movq"], device="meta", offload=offload)
        expected = open_network(handles["movq"], "cpu").state_dict()
        with pytest.raises(RuntimeError, match="on purpose"), residency.opened(handle) as movq:
            movq.decode(torch.zeros(1, 4, 8, 8, device="meta"))
            raise RuntimeError("on purpose")
        assert all(torch.equal(movq.state_dict()[name], expected[name]) for name in expected)
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in movq.modules())

    def test_only_the_working_layer_is_away(self, handles: dict[str, Handle], offload: str) -> None:
        away = []

        def count(*_: object) -> None:
            away.append(sum(parameter.is_meta for parameter in unet.parameters()))

        with self.opened(handles["unet"], offload) as unet:
            unet.conv_in.register_forward_hook(count, prepend=True)
            unet.conv_in(torch.zeros(1, 4, 8, 8, device="meta"))
        assert away == ([2] if offload == "sequential" else [len(list(unet.parameters()))])
