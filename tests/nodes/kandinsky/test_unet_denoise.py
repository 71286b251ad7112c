"""The denoiser: sizes, batches, masks, strength, spans of steps, and what planning says of its inputs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.node import Complaint, Wiring
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.parts import LatentPreview, UNet
from nodes.sampling.denoise_checks import complaints
from nodes.wires import Array, DepthHint, Image, ImageEmbeds, Latents, Mask
from tests.nodes import tiny
from tests.nodes.stages import Recorder, decoder_parts, random_array, random_embeds, smooth_picture

EMBEDS = random_embeds(1, tiny.EMBED)
AWAY = random_embeds(1, tiny.EMBED, seed=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A decoder of each variant."""
    root = tmp_path_factory.mktemp("decoders")
    calm: dict[str, Any] = {"scheduler_options": {"clip_sample": True}, "norm_num_groups": 4}
    variants = ("text2img", "inpaint", "controlnet_depth")
    return {variant: tiny.tiny_decoder(root / variant, variant, **calm) for variant in variants}


@pytest.fixture(scope="module")
def parts(folders: dict[str, Path]) -> Any:
    """`parts["inpaint"]`: the handles of a variant."""
    return {variant: decoder_parts(folder) for variant, folder in folders.items()}


def run(
    unet: UNet, image_embeds: ImageEmbeds = EMBEDS, negative: ImageEmbeds | None = AWAY, **more: Any
) -> Latents:
    """A short run; size 32 x 32 unless there are latents."""
    size = {} if more.get("latents") is not None else {"width": 32, "height": 32}
    common: dict[str, Any] = {"steps": 3, "guidance": 2.0, "seed": 1, "progress": Recorder()}
    return unet_denoise(unet, image_embeds, negative, **{**common, **size, **more})


def encoded(parts: Any, variant: str, picture: Array) -> Latents:
    return movq_encode(parts[variant].movq, Image(picture), progress=Recorder())


def same(one: Latents, two: Latents | Array) -> None:
    np.testing.assert_allclose(np.asarray(one), np.asarray(two), atol=2e-5)


def stacked(*values: ImageEmbeds) -> ImageEmbeds:
    return ImageEmbeds(np.concatenate([value.image_embeds for value in values]), "2.2")


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 17), (100, 40), (8, 1)])
def test_pictures_have_the_very_size_asked_for(parts, width, height) -> None:
    latents = run(parts["text2img"].unet, width=width, height=height)
    assert (latents.width, latents.height) == (width, height)
    assert all(side % 2 == 0 for side in latents.shape[2:])  # this UNet halves once
    picture = movq_decode(parts["text2img"].movq, latents, progress=Recorder())
    assert picture.shape == (1, height, width, 3)


def test_an_odd_size_is_cut_out_of_the_next_size_the_network_takes(parts) -> None:
    same(run(parts["text2img"].unet, width=33, height=17), run(parts["text2img"].unet, width=48, height=32))


def test_a_row_does_not_depend_on_its_batch(parts) -> None:
    unet, other = parts["text2img"].unet, random_embeds(1, tiny.EMBED, seed=5)
    both = run(unet, stacked(EMBEDS, other))
    same(both.latents[:1], run(unet, EMBEDS, seed=1))
    same(both.latents[1:], run(unet, other, seed=2))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_images_per_prompt_repeats_rows_in_a_run(parts, guidance) -> None:
    unet, other = parts["text2img"].unet, random_embeds(1, tiny.EMBED, seed=5)
    many = run(unet, stacked(EMBEDS, other), guidance=guidance, images_per_prompt=2)
    for i, embeds in enumerate((EMBEDS, EMBEDS, other, other)):
        same(many.latents[i : i + 1], run(unet, embeds, guidance=guidance, seed=1 + i))


def test_guidance_of_one_needs_no_negative(parts) -> None:
    same(run(parts["text2img"].unet, negative=None, guidance=1.0), run(parts["text2img"].unet, guidance=1.0))
    with pytest.raises(ValueError, match="needs negative_image_embeds; guidance of 1 or less needs none"):
        run(parts["text2img"].unet, negative=None)


def test_noise_replaces_the_seeds(parts) -> None:
    unet = parts["text2img"].unet
    noise = Latents(np.random.default_rng(0).standard_normal((2, 4, 4, 4)), 32, 32, "2.2")
    two = run(unet, noise=noise, scheduler="ddim")
    assert two.batch == 2
    one = Latents(noise.latents[1:], 32, 32, "2.2")
    same(two.latents[1:], run(unet, noise=one, scheduler="ddim", seed=99))
    same(two, run(unet, noise=noise, scheduler="ddim", images_per_prompt=2))
    with pytest.raises(ValueError, match="the noise has 4 x 4 latents, this picture takes 8 x 4"):
        run(unet, noise=noise, width=64)


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.33])
def test_too_little_strength_for_a_step_gives_the_picture_back(parts, strength) -> None:
    start = encoded(parts, "text2img", smooth_picture(30, 50))
    unchanged = run(parts["text2img"].unet, latents=start, strength=strength, images_per_prompt=2)
    assert (unchanged.width, unchanged.height, unchanged.batch) == (50, 30, 2)
    same(unchanged.latents[1:, :, : start.shape[2], : start.shape[3]], start)


def test_strength_grows_away_from_the_picture(parts) -> None:
    start = encoded(parts, "text2img", smooth_picture(32, 32))
    unet = parts["text2img"].unet
    far = [
        float(np.abs(np.asarray(run(unet, latents=start, strength=s, steps=20)) - start.latents).mean())
        for s in (0.05, 0.3, 1.0)
    ]
    assert far == sorted(far)


def test_a_written_size_that_differs_from_the_latents_is_refused(parts) -> None:
    start = encoded(parts, "text2img", smooth_picture(30, 50))
    with pytest.raises(
        ValueError, match="height is 32, but the latents are of a picture with a height of 30"
    ):
        run(parts["text2img"].unet, latents=start, width=50, height=32)
    assert run(parts["text2img"].unet, latents=start, width=50, height=30).height == 30


@pytest.mark.parametrize("scheduler", ["ddpm", "ddim"])
def test_a_run_in_parts_is_the_run_in_one(parts, scheduler) -> None:
    unet = parts["text2img"].unet
    whole, latents = run(unet, steps=6, scheduler=scheduler), None
    for start, end in pairwise((0, 2, 3, 6)):
        latents = run(unet, steps=6, scheduler=scheduler, latents=latents, start_step=start, end_step=end)
    assert latents is not None
    same(whole, latents)


def test_inpainting_keeps_each_rows_own_picture(parts) -> None:
    """diffusers uses the first picture and mask for all rows."""
    pictures = smooth_picture(32, 48, rows=2)
    masks = np.zeros((2, 32, 48), np.float32)
    masks[0, :, :16], masks[1, 20:, 24:] = 1, 1
    unet = parts["inpaint"].unet
    both = run(unet, latents=encoded(parts, "inpaint", pictures), mask=Mask(masks))
    for i in range(2):
        start = encoded(parts, "inpaint", pictures[i : i + 1])
        same(both.latents[i : i + 1], run(unet, latents=start, mask=Mask(masks[i : i + 1]), seed=1 + i))


@pytest.mark.parametrize("variant", ["inpaint", "text2img"])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_what_the_mask_keeps_comes_back_as_it_was(parts, variant, strength) -> None:
    start = encoded(parts, variant, smooth_picture(40, 64))
    mask = np.zeros((1, 80, 128), np.float32)  # of another size than the picture
    mask[:, :, :60] = 1
    painted = run(parts[variant].unet, latents=start, mask=Mask(mask), strength=strength, steps=4)
    np.testing.assert_array_equal(painted.latents[:, :, : start.shape[2], 5:], start.latents[:, :, :, 5:])
    assert np.abs(painted.latents[:, :, :5, :4] - start.latents[:, :, :, :4]).min() > 0


def test_an_inpainting_checkpoint_starts_from_pure_noise(parts) -> None:
    mask = Mask(np.ones((1, 32, 32)))  # everything is repainted, and nothing is shown to the network
    pictures = [encoded(parts, "inpaint", smooth_picture(32, 32, seed)) for seed in (1, 2)]
    one, two = (run(parts["inpaint"].unet, latents=picture, mask=mask) for picture in pictures)
    same(one, two)


def test_hints_of_any_size_and_batch(parts) -> None:
    unet = parts["controlnet_depth"].unet
    hint = random_array(1, 3, 32, 32)
    hint = np.round(hint * 255) / 255
    small = run(unet, depth_hint=DepthHint(hint))
    same(run(unet, stacked(EMBEDS, EMBEDS), depth_hint=DepthHint(hint)).latents[:1], small)
    two = DepthHint(np.concatenate([hint, 1 - hint]))
    same(run(unet, depth_hint=two).latents[:1], small)
    assert run(unet, depth_hint=DepthHint(random_array(1, 3, 7, 50)), width=33, height=17).width == 33


def test_batches_that_do_not_match_are_refused(parts) -> None:
    three = random_embeds(3, tiny.EMBED)
    with pytest.raises(ValueError, match="image_embeds has 3 rows, but negative_image_embeds has 2"):
        run(parts["text2img"].unet, three, random_embeds(2, tiny.EMBED))


def test_embeds_and_latents_of_another_kind_are_refused(parts) -> None:
    unet = parts["text2img"].unet
    with pytest.raises(ValueError, match=r"these ImageEmbeds are of Kandinsky 2\.1, the UNet is of 2\.2"):
        run(unet, ImageEmbeds(EMBEDS.image_embeds, "2.1"))
    with pytest.raises(ValueError, match="these image embeds have 7 numbers a row, the UNet takes 32"):
        run(unet, random_embeds(1, 7))
    with pytest.raises(ValueError, match="these latents have 5 channels, the UNet takes 4"):
        run(unet, latents=Latents(np.zeros((1, 5, 4, 4)), 32, 32, "2.2"))


def test_previews_are_small_pictures_of_what_is_coming(parts) -> None:
    import dataclasses
    from io import BytesIO

    from PIL import Image as Pillow

    colours = LatentPreview(((0.1, 0, 0), (0, 0.1, 0), (0, 0, 0.1), (0, 0, 0)), (0.5, 0.5, 0.5))
    unet = dataclasses.replace(parts["text2img"].unet, preview=colours)
    recorder = Recorder()
    run(unet, width=64, height=32, progress=recorder)
    assert recorder.steps == [(1, 3), (2, 3), (3, 3)]
    looks = [Pillow.open(BytesIO(look)) for look in recorder.looks]
    assert [(look.format, *look.size) for look in looks] == [("JPEG", 256, 128)] * 3


def test_half_precision_stays_close(folders) -> None:
    full, half = (decoder_parts(folders["text2img"], dtype=dtype).unet for dtype in ("float32", "bfloat16"))
    one, two = run(full, scheduler="ddim"), run(half, scheduler="ddim")
    assert two.latents.dtype == np.float32
    assert 0 < np.abs(one.latents - two.latents).mean() < 0.1


def complain(unet: UNet, *linked: str, **params: Any) -> dict[str, Complaint]:
    known = {
        "guidance": 4.0,
        "steps": 20,
        "start_step": 0,
        "end_step": None,
        "strength": 1.0,
        "scheduler": None,
    }
    wiring = Wiring({**known, **params}, {"unet": unet}, frozenset({"unet", *linked}))
    return {complaint.where: complaint for complaint in complaints(wiring)}


EMBEDDED = ("image_embeds", "negative_image_embeds")


def test_planning_says_what_is_missing(parts) -> None:
    assert not complain(parts["text2img"].unet, *EMBEDDED)
    assert complain(parts["text2img"].unet).keys() == set(EMBEDDED)
    assert complain(parts["text2img"].unet, guidance=1.0).keys() == {"image_embeds"}
    assert complain(parts["inpaint"].unet, *EMBEDDED).keys() == {"latents", "mask"}
    assert complain(parts["controlnet_depth"].unet, *EMBEDDED).keys() == {"depth_hint"}
    missing = complain(parts["controlnet_depth"].unet, *EMBEDDED)["depth_hint"]
    assert missing.message == "a controlnet_depth checkpoint of Kandinsky 2.2 needs depth_hint"
    assert missing.expected == "a wire of type depth_hint"


def test_planning_says_what_means_nothing(parts) -> None:
    assert complain(parts["text2img"].unet, *EMBEDDED, "depth_hint", "text_embeds").keys() == {
        "depth_hint",
        "text_embeds",
    }
    assert not complain(parts["text2img"].unet, *EMBEDDED, "latents", "mask", "noise")
    assert complain(parts["text2img"].unet, *EMBEDDED, "mask").keys() == {"latents"}
    assert complain(parts["text2img"].unet, *EMBEDDED, scheduler="plms").keys() == {"scheduler"}


@pytest.mark.parametrize(
    ("params", "linked", "where"),
    [
        ({"strength": 0.5}, (), {"strength"}),
        ({"start_step": 5}, (), {"start_step"}),
        ({"start_step": 21}, ("latents",), {"start_step"}),
        ({"end_step": 21}, (), {"end_step"}),
        ({"start_step": 5, "end_step": 4}, ("latents",), {"end_step"}),
        ({"start_step": 5, "strength": 0.5}, ("latents",), {"strength"}),
        ({"start_step": 5}, ("latents", "mask"), {"mask"}),
        ({"start_step": 5, "end_step": 5}, ("latents",), set()),
        ({"end_step": 0}, (), set()),
    ],
)
def test_planning_says_which_steps_do_not_follow_each_other(parts, params, linked, where) -> None:
    assert complain(parts["text2img"].unet, *EMBEDDED, *linked, **params).keys() == where


def test_planning_without_the_checkpoint_is_patient() -> None:
    assert not list(complaints(Wiring({}, {}, frozenset({"image_embeds"}))))
