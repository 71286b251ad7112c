"""Constants are folded into the params that they are linked to."""

from pathlib import Path

import pytest

from graph.problems import InvalidWorkflow
from tests.nodes.stages import run_nodes


def test_constants_reach_params_of_their_type(tmp_path: Path) -> None:
    nodes = {
        "five": {"type": "integer", "params": {"value": 5}},
        "half": {"type": "number", "params": {"value": 0.5}},
        "shape": {"type": "text", "params": {"value": "rectangle"}},
        "dice": {"type": "seed", "params": {"value": 2**53 - 1}},
        "remark": {"type": "note", "params": {"text": "the left half"}},
        "area": {
            "type": "mask",
            "inputs": {
                "width": "five.value",
                "height": "five.value",
                "w": "half.value",
                "shape": "shape.value",
            },
            "params": {"x": 0.0, "y": 0.0, "h": 1.0},
        },
    }
    made = run_nodes(tmp_path, nodes, mask="area.mask", seed="dice.value")
    assert made["mask"].mask.sum() == 2 * 5  # the middles of two columns lie in the left half
    assert made["seed"] == 2**53 - 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [("integer", 2**53), ("seed", -1), ("seed", 2**53), ("number", 1e13), ("integer", 1.5), ("text", 3)],
)
def test_constants_have_a_range_and_a_type(tmp_path: Path, kind: str, value: object) -> None:
    with pytest.raises(InvalidWorkflow, match="value"):
        run_nodes(tmp_path, {"it": {"type": kind, "params": {"value": value}}})
