"""The example data sets: what is written, and that what is broken on purpose is found broken without harm."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from webssl_cli.errors import CliError
from webssl_cli.examples import broken, easy_vqa, emoji, fashion_mnist, packages
from webssl_eval.images import locate
from webssl_eval.suites.vqa.questions import first_places, load_questions
from webssl_trainer.data import BrokenSampleError, decode_image, open_labelled

from tests.unit.eval.conftest import png


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A folder in easy-VQA's layout with two pictures a split."""
    data = tmp_path / "easy"
    for split in ("train", "test"):
        (data / split / "images").mkdir(parents=True)
        for number in (0, 1):
            (data / split / "images" / f"{number}.png").write_bytes(png("red"))
        records = [
            ["is it red?", "yes", 0],
            ["is it blue?", "no", 1],
            ["what shape?", "circle", 1],
            ["colour?", "red", 0],
        ]
        (data / split / "questions.json").write_text(json.dumps(records))
    return data


def test_easy_vqa_becomes_question_files_whose_images_exist(shapes, storage, tmp_path):
    seen = []
    easy_vqa.build(shapes, storage, (tmp_path / "out").as_uri(), progress=lambda *count: seen.append(count))
    for split in ("train", "test"):
        found = load_questions(storage, f"{(tmp_path / 'out').as_uri()}/{split}.jsonl")
        assert [question.kind for question in found.questions] == ["yes/no", "yes/no", "shape", "colour"]
        assert len(locate(storage, first_places(found.questions))) == 2
    assert seen[-1] == (5000, 5000)


def test_balanced_questions_take_turns_by_type(shapes):
    kinds = [line["type"] for line in easy_vqa.question_lines(shapes, "train", balanced=True)]
    assert kinds == ["yes/no", "shape", "colour"]


def test_fashion_mnist_becomes_labelled_shards(storage, tmp_path):
    data = tmp_path / "fashion"
    data.mkdir()
    for name, count in (("train", 3), ("t10k", 2)):
        pixels = np.arange(count * 784, dtype=np.uint8)
        (data / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pixels.tobytes()))
        (data / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + bytes(range(count))))
    fashion_mnist.build(data, storage, (tmp_path / "out").as_uri(), train=2, test=9)
    train = open_labelled(storage, f"{(tmp_path / 'out').as_uri()}/train/*.tar")
    assert [(image.label, image.pixels.shape) for image in train] == [(0, (28, 28, 3)), (1, (28, 28, 3))]
    assert len(open_labelled(storage, f"{(tmp_path / 'out').as_uri()}/test/*.tar")) == 2


def test_every_broken_sample_is_refused_with_a_reason():
    reasons = {}
    for item in broken.samples():
        with pytest.raises(BrokenSampleError) as caught:
            decode_image(item.data)
        reasons[item.key] = caught.value.reason
    assert len(reasons) == 5
    assert "900000000" in reasons["broken-bomb"] or "30000 x 30000" in reasons["broken-bomb"]


def test_the_bomb_is_a_real_picture_when_it_is_small():
    assert Image.open(io.BytesIO(broken.bomb(33))).convert("L").getextrema() == (0, 0)


def test_emoji_are_taken_in_the_order_of_their_code_points_with_their_names_as_captions(tmp_path):
    folder = tmp_path / "img" / "google" / "64"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.png", "a-dark.png"):
        (folder / name).write_bytes(png("red"))
    dark = {"1F3FF": {"image": "a-dark.png"}}
    table = [
        {"name": "B", "image": "b.png"},
        {"name": "WAVING HAND", "image": "a.png", "skin_variations": dark},
    ]
    (tmp_path / "emoji.json").write_text(json.dumps(table))
    assert [(item.key, item.caption) for item in emoji.images(folder)] == [
        ("emoji-a-dark", "waving hand, dark skin tone"),
        ("emoji-a", "waving hand"),
        ("emoji-b", "b"),
    ]


def test_a_package_is_fetched_once_and_a_broken_fetch_leaves_nothing(tmp_path):
    calls = []

    def get(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("x")
        if len(calls) == 1:
            raise CliError("broken off", "try again")

    with pytest.raises(CliError):
        packages._once(tmp_path / "p", get)
    assert not (tmp_path / "p").exists()
    for _ in range(2):
        assert (packages._once(tmp_path / "p", get) / "file").exists()
    assert len(calls) == 2


def test_a_client_that_is_not_installed_is_named_with_the_mend(tmp_path):
    with pytest.raises(CliError, match="no-such-client is not installed"):
        packages._run(["no-such-client", "get"], tmp_path, "install it")
