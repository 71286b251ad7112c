"""Tiny checkpoints that many tests read and none may change: made once."""

from pathlib import Path

import pytest

from tests.nodes import tiny


@pytest.fixture(scope="session")
def prior_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny prior checkpoint; read only."""
    return tiny.tiny_prior(tmp_path_factory.mktemp("checkpoints") / "prior")


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny text-to-image decoder checkpoint; read only."""
    return tiny.tiny_decoder(tmp_path_factory.mktemp("checkpoints") / "decoder")


@pytest.fixture(scope="session")
def depth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny depth estimator; read only."""
    return tiny.tiny_depth_estimator(tmp_path_factory.mktemp("checkpoints") / "depth")
