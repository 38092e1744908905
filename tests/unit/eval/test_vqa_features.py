"""Visual tokens of training images: made at each use or kept, with equal numbers; never stale, never half written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from webssl_api.evaluation_vqa import VqaFeatures, VqaSuite
from webssl_eval.suites.vqa import feature_plan, tuning
from webssl_eval.suites.vqa.feature_plan import GIB, Need, images_per_part, plan_of
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_eval.suites.vqa.training_features import Encoding, KeptFeatures, moments
from webssl_eval.suites.vqa.training_set import Source, write_set
from webssl_eval.suites.vqa.visual_layer import AtLayer, at_layer
from webssl_eval.suites.vqa.visual_tokens import resized
from webssl_trainer.errors import UserError

from tests.unit.eval.tunings import kept_place, weights_of

# -- arithmetic ------------------------------------------------------------------------------------------------------


def test_the_papers_features_do_not_fit_a_scratch_volume_and_a_small_sets_do():
    cambrian = Need(images=2_500_000, uses=2_500_000, positions=256, width=4096)
    assert cambrian.bytes == 2_500_000 * 256 * 4096 * 2  # 4.8 TiB
    assert not plan_of(cambrian, 1024, 10**13, on_storage=True).keep
    llava = Need(images=100_000, uses=600_000, positions=256, width=1024)
    assert plan_of(llava, 256, 10**12, on_storage=False).keep
    assert "spare 5.00 passes" in plan_of(llava, 256, 10**12, on_storage=False).reason


needs = st.builds(
    Need, st.integers(1, 10**7), st.integers(1, 10**8), st.integers(1, 4096), st.integers(1, 4096)
)


@given(needs, st.integers(0, 10**6), st.integers(0, 10**15), st.booleans())
def test_features_are_kept_only_where_they_fit_and_are_used_again(need, limit, free, on_storage):
    plan = plan_of(need, limit, free, on_storage)
    if plan.keep:
        assert need.bytes <= min(limit * GIB, free)
        assert need.uses > need.images or on_storage
    else:
        assert need.bytes > min(limit * GIB, 0.9 * free - 1) or (need.uses <= need.images and not on_storage)
    assert images_per_part(need) * need.image_bytes <= max(feature_plan.PART_BYTES, need.image_bytes)


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(storage, questions, tmp_path):
    return write_set(storage, Source(questions("train", 8)), tmp_path / "set")[0]


def kept(encoding, folder, size=3, remote=None, images=(0, 1, 2, 3)):
    return KeptFeatures(encoding, 24, np.array(images, dtype=np.int64), folder, size, remote)


# The grid has 4 x 4 patches.
@pytest.mark.parametrize(("tokens", "positions"), [(4, 4), (16, 16), (36, 16)])
def test_kept_features_are_those_that_are_made_and_a_grid_that_grows_is_kept_small(
    encoder, rows, storage, tmp_path, tokens, positions
):
    encoding = Encoding(encoder, rows, storage, tokens, 4)
    features = kept(encoding, tmp_path / "features")
    assert features.fill(0, 1, lambda *_: None) == 4
    wanted = encoding.get([2, 0, 2])
    assert wanted.shape == (3, tokens, 24)
    assert torch.equal(features.get([2, 0, 2]), wanted)
    assert (tmp_path / "features" / "part-000001.f16").stat().st_size == positions * 24 * 2
    views = torch.from_numpy(np.stack([encoder.prepare(np.full((28, 28, 3), 30, np.uint8))]))
    assert resized(encoder.encode(views).patches, tokens).shape == (1, tokens, 24)
    assert encoding.get([]).shape == features.get([]).shape == (0, tokens, 24)


def test_shares_of_several_processes_make_the_whole(encoder, rows, storage, tmp_path):
    encoding = Encoding(encoder, rows, storage, 4, 4)
    features = kept(encoding, tmp_path / "features", size=1)
    assert [features.fill(share, 3, lambda *_: None) for share in range(3)] == [2, 1, 1]
    assert torch.equal(features.get([0, 1, 2, 3]), encoding.get([0, 1, 2, 3]))


def test_after_a_crash_whole_parts_are_kept_and_half_ones_are_made_anew(encoder, rows, storage, tmp_path):
    encoding = Encoding(encoder, rows, storage, 4, 4)
    folder = tmp_path / "features"
    kept(encoding, folder, size=1).fill(0, 1, lambda *_: None)
    (folder / "part-000001.f16").unlink()
    (folder / ".part-000001.77").write_bytes(b"half")
    (folder / "part-000002.f16").write_bytes(b"cut")
    features = kept(encoding, folder, size=1)
    assert features.fill(0, 1, lambda *_: None) == 2
    assert torch.equal(features.get([0, 1, 2, 3]), encoding.get([0, 1, 2, 3]))


def test_parts_on_storage_spare_the_encoder_unless_they_are_damaged(encoder, rows, storage, tmp_path):
    encoding = Encoding(encoder, rows, storage, 4, 4)
    remote = (storage, (tmp_path / "remote").as_uri())
    assert kept(encoding, tmp_path / "first", 1, remote).fill(0, 1, lambda *_: None) == 4
    assert kept(encoding, tmp_path / "second", 1, remote).fill(0, 1, lambda *_: None) == 0
    part = tmp_path / "remote" / "part-000001.f16"
    part.write_bytes(part.read_bytes()[:-1] + b"\0")
    features = kept(encoding, tmp_path / "third", 1, remote)
    assert features.fill(0, 1, lambda *_: None) == 1
    assert torch.equal(features.get([0, 1, 2, 3]), encoding.get([0, 1, 2, 3]))


def test_moments_are_those_of_all_tokens_of_the_sample():
    sample = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)) * 2 + 1
    mean, spread = moments(sample)
    assert torch.allclose(mean, sample.reshape(-1, 7).mean(0), atol=1e-5)
    assert torch.allclose(spread, sample.reshape(-1, 7).std(0, correction=0), atol=1e-5)


def test_a_broken_training_image_is_named_with_its_row(encoder, storage, questions, tmp_path):
    url = questions("train", 8)
    (tmp_path / "vqa" / "images" / "green.png").write_bytes(b"junk")
    rows, _ = write_set(storage, Source(url), tmp_path / "broken")
    with pytest.raises(
        UserError, match=r"train\.jsonl, row 2: image .*green\.png is broken .*remove its rows"
    ):
        Encoding(encoder, rows, storage, 4, 4).get([0, 1])


# -- layers ----------------------------------------------------------------------------------------------------------


def test_the_last_layer_is_what_the_encoder_gives_and_an_earlier_one_is_another(encoder):
    views = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    last = encoder.encode(views)
    assert torch.allclose(at_layer(encoder, encoder.depth).encode(views).patches, last.patches, atol=1e-6)
    assert not torch.allclose(at_layer(encoder, 1).encode(views).patches, last.patches, atol=1e-2)
    assert at_layer(encoder, None) is encoder


def test_a_layer_that_the_encoder_does_not_have_is_named(encoder):
    with pytest.raises(
        UserError, match=r"suites\.vqa\.layer 3 is beyond the 2 blocks of encoder .*use 1 to 2"
    ):
        AtLayer(encoder, 3)


# -- the suite -------------------------------------------------------------------------------------------------------


@pytest.fixture
def spec(questions, language_model):
    def make(**changes) -> VqaSuite:
        return VqaSuite(
            train=questions("train", 8),
            test=questions("test", 4),
            language_model=str(language_model),
            **{"visual_tokens": 4, "steps": 4, "batch_size": 4, "learning_rate": 0.02, **changes},
        )

    return make


def test_weights_do_not_depend_on_whether_features_are_kept(spec, encoder, tmp_path):
    places = [kept_place(tmp_path, name=name) for name in ("anew", "kept", "stored")]
    settings = [VqaFeatures(scratch_gi_b=0), VqaFeatures(), VqaFeatures(keep=True)]
    for place, features in zip(places, settings, strict=True):
        VisualQuestions(spec(features=features)).run(encoder, place)
    anew, kept_there, stored = map(weights_of, places)
    for (a,), (b,) in ((anew, kept_there), (kept_there, stored)):
        assert all(torch.allclose(a[name], b[name], atol=1e-5) for name in a)
    assert not list(places[0].scratch.rglob("*.f16"))
    assert list(places[1].scratch.rglob("*.f16"))
    assert list((tmp_path / "stored" / "features").rglob("*.f16"))


@pytest.mark.parametrize("change", [{"layer": 1}, {"visual_tokens": 9}, {"resolution": 28}])
def test_other_settings_have_other_features_and_weights(spec, encoder, tmp_path, change):
    place = kept_place(tmp_path)
    VisualQuestions(spec()).run(encoder, place)
    VisualQuestions(spec(**change)).run(encoder, place)
    assert len(list((place.scratch / "features").iterdir())) == 2
    assert len(weights_of(place)) == 2


def test_another_checkpoint_another_set_or_other_images_have_other_features(
    spec, encoder, tmp_path, questions, monkeypatch
):
    place = kept_place(tmp_path)
    made = spec()
    VisualQuestions(made).run(encoder, place)
    image = tmp_path / "vqa" / "images" / "red.png"
    image.write_bytes(image.read_bytes() + b"\0")
    VisualQuestions(made).run(encoder, place)
    assert len(list((place.scratch / "features").iterdir())) == 2
    monkeypatch.setattr(tuning, "KeptFeatures", None)  # nothing is asked for when the weights are there
    VisualQuestions(made).run(encoder, place)
