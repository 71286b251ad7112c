"""Pictures resized, laid over each other, and side by side."""

from pathlib import Path

import numpy as np
import pytest

from nodes.picture.composite import composite
from nodes.picture.grid import grid
from nodes.picture.resize import resize
from nodes.wires import Image, Mask
from tests.nodes.stages import random_array, smooth_picture

BLACK, WHITE = np.zeros((1, 4, 6, 3), np.float32), np.ones((1, 4, 6, 3), np.float32)


def test_the_mask_says_what_shows() -> None:
    mask = np.zeros((1, 4, 6), np.float32)
    mask[:, :, :3], mask[:, 0, 5] = 1, 0.25
    made = composite(Image(BLACK), Image(WHITE), Mask(mask))
    np.testing.assert_array_equal(made.image, np.repeat(mask[..., None], 3, axis=3))


def test_kept_pixels_are_the_very_same() -> None:
    below = random_array(1, 8, 8, 3)
    made = composite(Image(below), Image(1 - below), Mask(np.zeros((1, 8, 8))))
    np.testing.assert_array_equal(made.image, below)


def test_one_row_fits_many_and_sizes_are_brought_to_the_picture_below() -> None:
    below = np.concatenate([BLACK, WHITE, BLACK])
    made = composite(Image(below), Image(np.ones((1, 9, 5, 3))), Mask(np.ones((1, 2, 2))))
    np.testing.assert_array_equal(made.image, np.ones((3, 4, 6, 3)))
    with pytest.raises(ValueError, match="image has 3 rows, but over has 2"):
        composite(Image(below), Image(below[:2]), Mask(np.ones((1, 4, 6))))


@pytest.mark.parametrize(
    ("count", "columns", "size"), [(4, 0, (8, 12)), (5, 0, (8, 18)), (5, 1, (20, 6)), (3, 9, (4, 18))]
)
def test_a_grid_is_square_unless_told_otherwise(count: int, columns: int, size: tuple[int, int]) -> None:
    made = grid([Image(np.repeat(BLACK, count, axis=0))], columns=columns)
    assert made.shape == (1, *size, 3)
    cells = size[0] * size[1] // 24
    assert float(made.image.sum()) == (cells - count) * 24 * 3  # what is left over is white


def test_a_grid_takes_pictures_of_any_size_in_order() -> None:
    small, large = np.full((1, 2, 2, 3), 0.5, np.float32), np.repeat(BLACK, 2, axis=0)
    made = grid([Image(small), Image(large)], columns=3).image[0]
    np.testing.assert_array_equal(made[1:3, 2:4], small[0])
    assert made[0, 0, 0] == 1 and made[:, 6:].sum() == 0


def test_a_grid_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="the limit is"):
        grid([Image(np.zeros((1, 1, 8192, 3))), Image(np.zeros((1, 8192, 1, 3)))], columns=2)


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_resize_gives_the_size(fit: str) -> None:
    assert resize(Image(smooth_picture(10, 30, rows=2)), width=7, height=9, fit=fit).shape == (2, 9, 7, 3)


def test_a_workflow_is_checked_without_torch_or_pillow() -> None:
    import subprocess
    import sys

    code = (
        "import sys, nodes; from graph.nodetypes.catalogue import installed; assert len(installed()) >= 29;"
        "print([name for name in ('torch', 'transformers', 'diffusers', 'PIL') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
