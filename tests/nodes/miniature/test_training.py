"""Two steps of every training stage on a handful of scenes: they run, resume, and export a checkpoint."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.miniature.judge import tasks as judge_tasks
from nodes.miniature.judge.judge import table, text_to_image
from nodes.miniature.scenes.data import Data, build, load
from nodes.miniature.training import (
    encode,
    hints,
    tables,
    train_clip,
    train_depth,
    train_judge,
    train_movq,
    train_prior,
    train_unet,
    train_variant,
)
from nodes.miniature.training.export import STAGES, copy_metrics, export
from nodes.miniature.training.parallel import together
from nodes.miniature.training.training import Stage

SCENES = 24


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    build(folder, SCENES, processes=1)
    return load(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Data) -> Path:
    """A folder in which every stage made two steps."""
    monkeypatch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("training")
    train_movq.train(folder, data, 1, max_steps=2)
    train_clip.train(folder, data, 1, max_steps=2)
    encode.embed(folder, data)
    encode.encode(folder, data, SCENES, processes=1)
    train_prior.train(folder, data, 1, max_steps=2)
    train_unet.train(folder, 1, max_steps=2)
    train_judge.train(folder, data, 1, max_steps=2)
    train_depth.train(folder, data, 1, max_steps=2)
    monkeypatch.setattr(tables, "FIRST_OF_ASPECTS", 0)
    tables.build(folder, data, SCENES, SCENES, 2, processes=1)
    train_movq.train_decoder(folder, data, 1, max_steps=2)
    train_prior.train_further(folder, data, 1, max_steps=2)
    for variant in train_variant.CONFIGS:
        train_variant.train(folder, data, variant, 1, max_steps=2)
    return folder


def test_every_stage_says_its_seed_steps_and_figures(trained: Path) -> None:
    for stage in STAGES:
        metrics = json.loads((trained / f"{stage}.json").read_text())
        assert metrics["steps"] == 2
        assert metrics["samples"] > 0
        assert isinstance(metrics["seed"], int)


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory, data: Data) -> Path:
    weights = tmp_path_factory.mktemp("exported") / "weights"
    assert 1e6 < export(trained, data, weights) <= 40e6
    return weights


def test_the_export_is_judged(trained: Path, exported: Path, tmp_path: Path) -> None:
    copy_metrics(trained, tmp_path / "metrics")
    assert (tmp_path / "metrics" / "unet.json").exists()
    report, made, texts = text_to_image(exported, 6, 0, 0, {"steps": 2, "prior_steps": 2})
    assert made.shape == (6, 3, 128, 128)
    assert len(texts) == 6
    assert "ground" in table(report["scores"])


@pytest.mark.parametrize("task", judge_tasks.TASKS)
def test_every_task_is_judged(task: str, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_tasks, "MANY_STEPS", 3)
    report = judge_tasks.run(task, exported, 3, 0, 0, {"steps": 2, "prior_steps": 2})
    assert report
    for name, figure in report.items():
        assert figure["value"] == figure["value"], name
        assert 1 <= figure["count"] <= 3
        assert name in judge_tasks.table(task, report)


def test_processes_that_train_together_share_every_step(trained: Path, tmp_path: Path) -> None:
    for name in ("latents.npy", "embeds.npy", "nothing.npy"):
        (tmp_path / name).symlink_to(trained / name)
    together(train_unet.train, (tmp_path, 1.0, 14, 2), 2)
    metrics = json.loads((tmp_path / "unet.json").read_text())
    assert metrics["processes"] == 2
    assert metrics["samples"] == 2 * 2 * train_unet.BATCH


def test_whitening_changes_nothing_but_the_latents() -> None:
    torch.manual_seed(0)
    model = train_movq.build()
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        before = model.decode(model.encode(images))
        latents = model.encode(images)
        returned = encode.whiten(model, latents)
        white = model.encode(images)
        after = model.decode(white)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(returned, white, atol=1e-4, rtol=1e-4)
    channels = white.transpose(0, 1).flatten(1)
    assert channels.mean(1).abs().max() < 1e-3
    correlation = torch.cov(channels)
    assert (correlation - torch.diag(correlation.diag())).abs().max() < 1e-2


def test_the_hint_block_gives_each_latent_the_quarters_of_its_depth() -> None:
    near = np.random.default_rng(0).integers(0, 256, (2, 48, 64), dtype=np.uint8)
    hint = torch.from_numpy(near)[:, None].float().div(255).expand(-1, 3, -1, -1)
    with torch.no_grad():
        said = hints.build()(hint)
        halved = hints.build().half().float()(hint)
    torch.testing.assert_close(said, hints.features(near), atol=1e-5, rtol=0)
    torch.testing.assert_close(halved, said, atol=2e-3, rtol=0)


def test_a_stage_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def train(steps: int) -> tuple[Stage, torch.nn.Linear]:
        torch.manual_seed(1)
        model = torch.nn.Linear(3, 1)
        stage = Stage("toy", model, tmp_path, minutes=1, peak=0.1, seed=5, max_steps=steps)
        for rng in stage.steps():
            x = torch.from_numpy(rng.normal(size=(8, 3))).float()
            stage.learn((model(x) - x.sum(1, keepdim=True)).square().mean(), 8)
        return stage, model

    first, _ = train(40)
    assert first.step == 40
    second, model = train(60)
    assert second.step == 60
    assert second.samples == 480
    second.finish()
    assert (model.weight - 1).abs().max() < 0.3
    assert json.loads((tmp_path / "toy.json").read_text())["steps"] == 60
