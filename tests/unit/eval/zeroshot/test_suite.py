"""The suite from shards to scores, with a real encoder and a real tower of the smallest size."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from webssl_eval.encoders import Features, random_encoder
from webssl_eval.suites.interface import Kept
from webssl_eval.suites.zeroshot.suite import ZeroShot
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError

from tests.unit.eval.conftest import COLOURS, CONFIG
from tests.unit.eval.zeroshot.conftest import PAIRS, item, shade


class WithoutCls:
    """The patches of an encoder alone, as some architectures have them."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def encode(self, images):
        found = self._inner.encode(images)
        return Features(found.cls[:, :0], found.patches)


class StoppedError(Exception):
    """The pod is gone."""


def test_colours_are_named_and_found_that_were_never_labelled(
    place, encoder, settings_for, labelled, names, prompts, tmp_path
):
    held_out = [item(number) for number in range(PAIRS + 12, PAIRS + 24)]
    pack(held_out, place.storage, (tmp_path / "held-out").as_uri())
    test_pairs = f"{(tmp_path / 'held-out').as_uri()}/*.tar"
    spec = settings_for(test=labelled, class_names=names, prompts=prompts, test_pairs=test_pairs)
    outcome = ZeroShot(spec).run(encoder, place)
    assert outcome.scores["top1"] == 100.0
    assert outcome.scores["top5"] == 100.0
    assert outcome.scores["prior"] == outcome.scores["chance"] == 25.0
    # Eight distinct captions, two of them an image's own; of twelve images three are a caption's own.
    assert outcome.scores["imageToTextR1"] == outcome.scores["textToImageR1"] == 100.0
    assert outcome.scores["prior_imageToTextR1"] == 25.0
    assert outcome.scores["prior_textToImageR1"] == 25.0
    assert outcome.questions == len(outcome.predictions) == 12 + 12 + 8
    assert outcome.predictions[0]["predicted"][0] == outcome.predictions[0]["label"]
    assert outcome.details["distinctTestCaptions"] == 8
    assert outcome.details["testCaptions"] == 24
    assert outcome.details["losses"][-1] < outcome.details["losses"][0]
    again = ZeroShot(spec).run(encoder, replace(place, scratch=tmp_path / "elsewhere"))
    assert again.scores == outcome.scores
    assert again.details["losses"] == outcome.details["losses"]


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": "mean"},
        {"reading": "clsMean", "image_projection": "linear"},
        {"loss": "siglip", "image_projection": "linear", "steps": 80},
        {"tokenizer": "clip"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_setting_learns_colours(place, encoder, settings_for, labelled, names, prompts, changes):
    spec = settings_for(test=labelled, class_names=names, prompts=prompts, **changes)
    assert ZeroShot(spec).run(encoder, place).scores["top1"] >= 75.0


def test_classes_that_no_image_has_can_be_answers_and_need_no_name_where_they_are_not_listed(
    place, encoder, settings_for, tmp_path
):
    items = [PackItem(f"t{n}", shade(n), "png", label=5 * (n % 2)) for n in range(8)]
    pack(items, place.storage, (tmp_path / "gaps").as_uri())
    (tmp_path / "names.json").write_text(json.dumps({"5": "green", "9": "blue", "0": "red"}))
    spec = settings_for(
        test=f"{(tmp_path / 'gaps').as_uri()}/*.tar",
        class_names=(tmp_path / "names.json").as_uri(),
        steps=2,
    )
    outcome = ZeroShot(spec).run(encoder, place)
    assert [line["label"] for line in outcome.predictions] == ["red", "green"] * 4
    assert outcome.scores["chance"] == pytest.approx(100 / 3)


def keeping(place, folder, encoder):
    """The same with a folder that outlives the suite."""
    return replace(place, kept=Kept(folder.as_uri(), "digest", lambda *_: encoder))


def files_of(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_tower_is_found_again_for_other_test_images_and_trained_anew_for_another_encoder(
    place, encoder, settings_for, labelled, names, tmp_path
):
    shelf = tmp_path / "kept"
    place = keeping(place, shelf, encoder)
    first = ZeroShot(settings_for(test=labelled, class_names=names, steps=6)).run(encoder, place)
    assert not first.details["towerFoundAgain"]
    assert first.details["tower"].rpartition("/")[2] in files_of(shelf)
    (tmp_path / "prompts.txt").write_text("{}\n")
    prompts = (tmp_path / "prompts.txt").as_uri()
    other = settings_for(test=labelled, class_names=names, steps=6, prompts=prompts)
    second = ZeroShot(other).run(encoder, place)
    assert second.details["towerFoundAgain"]
    assert second.details["templates"] == 1
    assert second.details["losses"] == first.details["losses"]
    assert len(files_of(shelf)) == 1
    stranger = random_encoder(CONFIG, 28, 1, torch.device("cpu"))
    spec = settings_for(test=labelled, class_names=names, steps=6)
    assert not ZeroShot(spec).run(stranger, place).details["towerFoundAgain"]
    longer = settings_for(test=labelled, class_names=names, steps=7)
    assert not ZeroShot(longer).run(encoder, place).details["towerFoundAgain"]
    assert len(files_of(shelf)) == 3


def test_a_training_that_was_cut_off_goes_on_to_the_same_tower(
    place, encoder, settings_for, labelled, names, tmp_path
):
    spec = settings_for(test=labelled, class_names=names, steps=20)
    whole = ZeroShot(spec).run(encoder, keeping(place, tmp_path / "whole", encoder))
    steps = []

    def cut(what, done, _of):
        if what == "steps of the text tower":
            steps.append(done)
            if len(steps) == 9:
                raise StoppedError

    halves = replace(keeping(place, tmp_path / "halves", encoder), progress=cut)
    with pytest.raises(StoppedError):
        ZeroShot(spec).run(encoder, halves)
    outcome = ZeroShot(spec).run(encoder, halves)
    assert steps[9] == 9  # the state behind step 8 was kept
    assert outcome.details["losses"] == whole.details["losses"]
    assert files_of(tmp_path / "halves") == files_of(tmp_path / "whole")


def test_a_damaged_tower_is_trained_anew(place, encoder, settings_for, labelled, names, tmp_path):
    place = keeping(place, tmp_path / "kept", encoder)
    spec = settings_for(test=labelled, class_names=names, steps=2)
    url = ZeroShot(spec).run(encoder, place).details["tower"]
    data = place.storage.read(url)
    for junk in (b"", b"junk", data[:-9]):
        place.storage.put(url, junk)
        place.storage.put(url.replace(".safetensors", ".state.pt"), junk)
        assert not ZeroShot(spec).run(encoder, place).details["towerFoundAgain"]
        assert place.storage.read(url) == data


def test_readings_are_computed_once_for_an_encoder_and_pairs(place, encoder, settings_for, labelled, names):
    seen = []
    place = replace(place, progress=lambda what, *_: seen.append(what))
    for steps in (2, 3):
        ZeroShot(settings_for(test=labelled, class_names=names, steps=steps)).run(encoder, place)
    assert seen.count("pairs") == 1
    ZeroShot(settings_for(test=labelled, class_names=names, steps=2, reading="mean")).run(encoder, place)
    assert seen.count("pairs") == 2


def test_what_cannot_be_trained_on_is_left_out_and_counted(
    place, encoder, settings_for, labelled, names, tmp_path
):
    items = [item(number) for number in range(20)]
    items += [item(20, caption=" \n\t\n"), item(21, data=b"junk"), item(22, caption="\n red \n\n")]
    items.append(PackItem("no-text", shade(3), "png"))
    pack(items, place.storage, (tmp_path / "some").as_uri())
    source = f"{(tmp_path / 'some').as_uri()}/*.tar"
    spec = settings_for(pairs=source, test=labelled, class_names=names, steps=2)
    details = ZeroShot(spec).run(encoder, place).details
    assert (details["pairs"], details["brokenImages"], details["pairsWithoutCaption"]) == (21, 1, 1)
    few = settings_for(pairs=source, test=labelled, class_names=names, batch_size=22)
    with pytest.raises(
        UserError, match=r"has 21 pairs that can be used \(1 images are broken, 1 have no caption\)"
    ):
        ZeroShot(few).run(encoder, place)


def test_what_is_wrong_is_named_with_the_mend(place, encoder, settings_for, labelled, names, tmp_path):
    with pytest.raises(UserError, match=r"encoder random weights .* has no CLS token; write mean"):
        ZeroShot(settings_for(test=labelled, class_names=names)).run(WithoutCls(encoder), place)
    with pytest.raises(UserError, match=r"classes of .* are numbers; name .*classNames"):
        ZeroShot(settings_for(test=labelled)).data_digest(place)
    with pytest.raises(UserError, match=r"classNames file:///nowhere.txt is not there; write the file"):
        ZeroShot(settings_for(test=labelled, class_names="file:///nowhere.txt")).data_digest(place)
    with pytest.raises(
        UserError, match=r"zeroshot.testPairs file:///nowhere holds no pairs; expected shards"
    ):
        ZeroShot(settings_for(test_pairs="file:///nowhere")).data_digest(place)
    (tmp_path / "bad.json").write_text("[]")
    bad = settings_for(test=labelled, class_names=names, tokenizer=(tmp_path / "bad.json").as_uri())
    with pytest.raises(
        UserError, match=r"zeroshot.tokenizer file:.* is no JSON file of the tokenizers library"
    ):
        ZeroShot(bad).data_digest(place)
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\nred\n")
    with pytest.raises(UserError, match="two classes are named 'red'"):
        ZeroShot(settings_for(test=labelled, class_names=names)).data_digest(place)


def test_held_out_pairs_must_all_be_readable_and_be_two(place, encoder, settings_for, tmp_path):
    for name, items, message in (
        (
            "broken",
            [item(0), item(1), item(2, data=b"junk")],
            r"can not be decoded: 1, first .*002 \(Unidentified",
        ),
        ("few", [item(0), item(1, caption=" ")], "images with a caption: 1, without: 1;"),
    ):
        pack(items, place.storage, (tmp_path / name).as_uri())
        spec = settings_for(test_pairs=f"{(tmp_path / name).as_uri()}/*.tar", steps=2)
        with pytest.raises(UserError, match=message):
            ZeroShot(spec).run(encoder, place)


def test_a_diverging_tower_ends_the_suite(place, encoder, settings_for, labelled, names):
    class Infinite(WithoutCls):
        def encode(self, images):
            found = self._inner.encode(images)
            return Features(found.cls * float("inf"), found.patches)

    with pytest.raises(UserError, match="features that are not finite"):
        ZeroShot(settings_for(test=labelled, class_names=names)).run(Infinite(encoder), place)


def test_an_encoder_that_sees_nothing_scores_nothing(place, encoder, settings_for, labelled, names):
    class Blind(WithoutCls):
        def encode(self, images):
            found = self._inner.encode(images)
            return Features(torch.ones_like(found.cls), found.patches)

    scores = (
        ZeroShot(settings_for(test=labelled, class_names=names, steps=3)).run(Blind(encoder), place).scores
    )
    assert scores["top1"] <= 25.0


def test_the_data_digest_changes_with_pairs_images_names_and_templates(
    place, settings_for, labelled, names, tmp_path
):
    (tmp_path / "prompts.txt").write_text("{}\n")
    prompts = (tmp_path / "prompts.txt").as_uri()
    suite = ZeroShot(
        settings_for(
            test=labelled, class_names=names, prompts=prompts, test_pairs=labelled_pairs(place, tmp_path)
        )
    )
    seen = [suite.data_digest(place)]
    assert suite.data_digest(place) == seen[0]
    (tmp_path / "prompts.txt").write_text("a {}\n")
    seen.append(suite.data_digest(place))
    (tmp_path / "names.txt").write_text("\n".join(f"{name} one" for name in COLOURS))
    seen.append(suite.data_digest(place))
    labelled_pairs(place, tmp_path, caption="longer than before")
    seen.append(suite.data_digest(place))
    pack([item(number) for number in range(9)], place.storage, (tmp_path / "pairs").as_uri(), 20)
    seen.append(suite.data_digest(place))
    assert len(set(seen)) == 5


def labelled_pairs(place, tmp_path, caption: str | None = None) -> str:
    """Held-out pairs as Karpathy's file lists them, the images below it."""
    folder = tmp_path / "karpathy"
    (folder / "val").mkdir(parents=True, exist_ok=True)
    images = []
    for number in range(4):
        (folder / "val" / f"{number}.png").write_bytes(shade(number))
        sentences = [{"raw": text} for text in (caption or f"one {number}", f"two {number}")]
        images.append(
            {
                "imgid": number,
                "filepath": "val",
                "filename": f"{number}.png",
                "split": "test",
                "sentences": sentences,
            }
        )
    (folder / "set.json").write_text(json.dumps({"images": images}))
    return (folder / "set.json").as_uri()


def test_held_out_pairs_of_a_published_file_are_groups_by_image(place, encoder, settings_for, tmp_path):
    outcome = ZeroShot(settings_for(test_pairs=labelled_pairs(place, tmp_path), steps=2)).run(encoder, place)
    assert (outcome.details["testPairs"], outcome.details["distinctTestCaptions"]) == (4, 8)
    assert [line["id"] for line in outcome.predictions[:4]] == ["0", "1", "2", "3"]
    assert outcome.scores["prior_imageToTextR1"] == 25.0
