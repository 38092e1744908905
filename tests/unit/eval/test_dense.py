"""Images with maps: layouts, views, windows, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.suites.ahead import one_ahead
from webssl_eval.suites.dense.fitting import linear_decay, warm_third_of_cosine
from webssl_eval.suites.dense.maps import folders_of, open_maps
from webssl_eval.suites.dense.reading import Reading, last_layers, spread_layers
from webssl_eval.suites.dense.views import centre_view, random_view, scaled, windows
from webssl_eval.suites.dense.whole import averaged, outputs_at
from webssl_trainer.errors import UserError

from tests.unit.eval.scenes import png_of, scene, write


@pytest.mark.parametrize(
    ("source", "images", "maps"),
    [
        ("s3://ade/train", "s3://ade/train/images", "s3://ade/train/annotations"),
        ("s3://ade/images/training/", "s3://ade/images/training", "s3://ade/annotations/training"),
        ("s3://images/images", "s3://images/images", "s3://images/annotations"),
    ],
)
def test_maps_lie_beside_the_images_folder(source, images, maps):
    assert folders_of(source) == (images, maps)


def test_images_and_maps_are_matched_by_name_whatever_their_extension(storage, tmp_path):
    for seed, key in enumerate(("b/two", "a/one")):
        write(tmp_path, key, scene(seed)[0], scene(seed)[1].astype(np.uint8))
    (tmp_path / "images" / "a" / "one.png").rename(tmp_path / "images" / "a" / "one.JPEG")
    found = open_maps(storage, tmp_path.as_uri(), "seg.png")
    assert found.sample_ids == ["a/one", "b/two"]
    one, two = found.read([0, 1])
    assert np.array_equal(two.pixels, scene(0)[0])
    assert np.array_equal(one.values, scene(1)[1])


def test_sixteen_bit_and_palette_maps_keep_their_values(storage, tmp_path):
    from PIL import Image

    pixels, classes = scene(3)
    write(tmp_path, "deep", pixels, (classes * 20_000).astype(np.uint16))
    write(tmp_path, "palette", pixels, classes.astype(np.uint8))
    indexed = Image.fromarray(classes.astype(np.uint8), "P")
    indexed.putpalette([9, 9, 9, 8, 8, 8, 7, 7, 7])
    indexed.save(tmp_path / "annotations" / "palette.png")
    deep, palette = open_maps(storage, tmp_path.as_uri(), "seg.png").read([0, 1])
    assert np.array_equal(deep.values, classes * 20_000)
    assert np.array_equal(palette.values, classes)


def test_shards_hold_the_map_as_a_further_member(place, tmp_path):
    import io
    import tarfile

    shard = tmp_path / "set-000.tar"
    with tarfile.open(shard, "w") as tar:
        for seed in (0, 1):
            pixels, classes = scene(seed)
            parts = ((f"{seed}.png", png_of(pixels)), (f"{seed}.seg.png", png_of(classes.astype(np.uint8))))
            for name, data in parts:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    found = open_maps(place.storage, shard.as_uri(), "seg.png")
    assert np.array_equal(found.read([1])[0].values, scene(1)[1])
    with pytest.raises(UserError, match=r"has no member \.depth\.png; pack the map"):
        open_maps(place.storage, shard.as_uri(), "depth.png")


def _broken_image(folder: Path) -> None:
    (folder / "images" / "x.png").write_bytes(b"junk")


def _coloured_map(folder: Path) -> None:
    (folder / "annotations" / "x.png").write_bytes(png_of(scene(0)[0]))


def _small_map(folder: Path) -> None:
    (folder / "annotations" / "x.png").write_bytes(png_of(np.zeros((3, 4), np.uint8)))


def _no_map(folder: Path) -> None:
    (folder / "annotations" / "x.png").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_broken_image, "image x is broken .* replace it"),
        (_coloured_map, "map of x cannot be read .*mode RGB.*; write an 8- or 16-bit"),
        (_small_map, "map of x is 4 x 3 pixels, its image 42 x 28; make them equal"),
        (_no_map, r"x\.png has no map .*annotations/x\.png \(1 of 1 images have none\); upload"),
    ],
)
def test_what_is_wrong_with_a_map_is_named_with_the_mend(storage, tmp_path, harm, message):
    write(tmp_path, "x", scene(0)[0], scene(0)[1].astype(np.uint8))
    harm(tmp_path)
    with pytest.raises(UserError, match=message):
        open_maps(storage, tmp_path.as_uri(), "seg.png").read([0])


def test_an_empty_folder_says_what_is_expected(storage, tmp_path):
    with pytest.raises(UserError, match=r"no images at .*; expected a folder with images/ and annotations/"):
        open_maps(storage, tmp_path.as_uri(), "seg.png")


def test_the_digest_changes_with_a_map(storage, tmp_path):
    write(tmp_path, "x", scene(0)[0], scene(0)[1].astype(np.uint8))
    before = open_maps(storage, tmp_path.as_uri(), "seg.png").digest
    write(tmp_path, "x", scene(0)[0], scene(0)[1].astype(np.uint16) * 9)
    assert open_maps(storage, tmp_path.as_uri(), "seg.png").digest != before


@settings(deadline=None)
@given(
    seed=st.integers(0, 99),
    position=st.integers(0, 10**9),
    side=st.sampled_from([7, 28, 56]),
    low=st.floats(0.3, 2),
)
def test_pixels_and_values_of_a_view_are_cut_and_mirrored_alike(seed, position, side, low):
    values = np.arange(20 * 30).reshape(20, 30).astype(np.int32)
    pixels = np.repeat((values // 3).astype(np.uint8)[..., None], 3, axis=-1)
    views = [random_view(pixels, values, side, (low, 2.0), -1, seed, position) for _ in range(2)]
    assert np.array_equal(views[0].pixels, views[1].pixels)
    assert views[0].pixels.shape == (side, side, 3)
    assert views[0].values.shape == (side, side)
    assert ((views[0].values >= -1) & (views[0].values < 600)).all()
    row = views[0].values[0]
    inside = row[row >= 0]
    assert (np.diff(inside) >= 0).all() or (np.diff(inside) <= 0).all()


def test_a_view_at_its_own_scale_holds_the_very_pixels():
    pixels, classes = scene(5)
    view = random_view(pixels, classes.astype(np.int32), 28, (1.0, 1.0), 255, 0, 3)
    found = [
        left
        for left in range(15)
        for picture, values in (
            (pixels[:, left : left + 28], classes[:, left : left + 28]),
            (pixels[:, left : left + 28][:, ::-1], classes[:, left : left + 28][:, ::-1]),
        )
        if np.array_equal(picture, view.pixels) and np.array_equal(values, view.values)
    ]
    assert len(found) == 1


def test_the_centre_of_a_wide_image_is_cut():
    pixels, classes = scene(6)
    view = centre_view(pixels, classes.astype(np.int32), 28)
    assert np.array_equal(view.values, classes[:, 7:35])
    assert np.array_equal(view.pixels, pixels[:, 7:35])


@settings(deadline=None)
@given(height=st.integers(10, 90), width=st.integers(10, 90), side=st.integers(1, 10))
def test_windows_cover_every_pixel_and_stay_inside(height, width, side):
    seen = np.zeros((height, width), dtype=int)
    for top, left in windows(height, width, side):
        assert 0 <= top <= height - side
        assert 0 <= left <= width - side
        seen[top : top + side, left : left + side] += 1
    assert (seen > 0).all()


def test_an_image_as_large_as_the_window_has_one_window():
    assert windows(28, 28, 28) == [(0, 0)]
    assert windows(28, 42, 28) == [(0, 0), (0, 14)]


@settings(deadline=None)
@given(height=st.integers(2, 60), width=st.integers(2, 60), short=st.integers(1, 60))
def test_scaling_makes_the_shorter_side_what_is_asked_and_invents_no_value(height, width, short):
    values = np.random.default_rng(0).integers(0, 9, (height, width)).astype(np.int32)
    pixels, found = scaled(np.zeros((height, width, 3), np.uint8), values, short)
    assert pixels.shape[:2] == found.shape
    assert min(found.shape) == short
    assert set(np.unique(found)) <= set(np.unique(values))


def test_layers_are_the_published_ones():
    assert last_layers(24, 4) == (20, 21, 22, 23)
    assert last_layers(2, 4) == (0, 1)
    assert spread_layers(40, 4) == (9, 19, 29, 39)
    assert spread_layers(24, 4) == (5, 11, 17, 23)
    assert spread_layers(2, 4) == (0, 1)


def test_a_reading_puts_layers_and_cls_side_by_side(encoder):
    views = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    reading = Reading((0, 1), normed=False, with_cls=True)
    read = reading.read(encoder, views)
    first, second = encoder.encode_layers(views, (0, 1), normed=False)
    assert read.shape == (2, 4, 4, reading.width(encoder)) == (2, 4, 4, 96)
    assert torch.equal(read[..., :24], first.patches)
    assert torch.equal(read[:, 2, 3, 24:48], first.cls)
    assert torch.equal(read[:, 0, 0, 72:], second.cls)


class _Brightness(torch.nn.Module):
    """Stands where a head does: the first feature as it is."""

    def forward(self, features):
        return features[..., :1].permute(0, 3, 1, 2)


def test_an_image_of_one_window_is_that_window_and_mirroring_a_symmetric_image_changes_nothing(encoder):
    pixels = scene(1)[0][:, :28]
    even = np.concatenate([pixels[:, :14], pixels[:, :14][:, ::-1]], axis=1)
    reading = Reading((1,), normed=True, with_cls=False)

    def outputs(picture, scale):
        return outputs_at(encoder, reading, _Brightness(), picture, scale, torch.device("cpu"))

    features = reading.read(encoder, torch.from_numpy(encoder.prepare(even)[None]))
    direct = torch.nn.functional.interpolate(_Brightness()(features), size=(28, 28), mode="bilinear")[0]
    assert torch.allclose(outputs(even, 1.0), direct, atol=1e-5)
    both = averaged(outputs, even, (1.0,), True, lambda part: part)
    assert torch.allclose(both, (direct + direct.flip(-1)) / 2, atol=1e-5)
    assert averaged(outputs, scene(1)[0], (1.0, 1.5), True, lambda part: part).shape == (1, 28, 42)


@pytest.mark.parametrize("share", [linear_decay, warm_third_of_cosine])
@settings(deadline=None)
@given(steps=st.integers(1, 300))
def test_learning_rates_rise_to_the_peak_and_fall(share, steps):
    rates = [share(step, steps) for step in range(steps)]
    peak = int(np.argmax(rates))
    assert min(rates) > 0
    assert max(rates) <= 1
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize(
    ("share", "step", "steps", "expected"),
    [
        (linear_decay, 749, 40000, 0.5 * (1 - 749 / 40000)),
        (linear_decay, 1499, 40000, 1 - 1499 / 40000),
        (linear_decay, 20000, 40000, 0.5),
        (warm_third_of_cosine, 12800, 38400, 0.75),
        (warm_third_of_cosine, 6399, 38400, 0.5 * 0.5 * (1 + np.cos(np.pi / 6))),
        (warm_third_of_cosine, 19200, 38400, 0.5),
    ],
)
def test_the_published_lengths_give_the_published_rates(share, step, steps, expected):
    assert share(step, steps) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(count=st.integers(0, 20), taken=st.integers(0, 20))
def test_one_ahead_gives_the_same_items_and_computes_no_more_than_one_beyond(count, taken):
    computed = []
    ahead = one_ahead(computed.append(number) or number for number in range(count))
    found = [number for number, _ in zip(ahead, range(taken), strict=False)]
    ahead.close()
    assert found == list(range(min(count, taken)))
    assert len(computed) <= taken + 2


def test_an_error_of_the_thread_comes_after_the_items_before_it():
    def items():
        yield 1
        raise UserError("the second is broken")

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(UserError, match="the second is broken"):
        next(ahead)
