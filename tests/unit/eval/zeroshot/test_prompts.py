"""Names of classes and templates: every layout of the file, every script, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from webssl_eval.suites.zeroshot.prompts import (
    TEMPLATES,
    class_sentences,
    classes_of,
    ensemble,
    templates_of,
)
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.clip.tokenizer import tokenizer_for

BYTES = tokenizer_for("bytes", 64, {})
CLIP = tokenizer_for("clip", 16, {})


@pytest.mark.parametrize(
    ("data", "own", "names", "rows"),
    [
        (None, ["red_fox", "wolf"], ("red fox", "wolf"), (0, 1)),
        (b"tench\ngoldfish\n", ["0", "1"], ("tench", "goldfish"), (0, 1)),
        (b"tench\ngoldfish\nshark", ["1"], ("tench", "goldfish", "shark"), (1,)),
        (b"tench\n goldfish \nshark", ["0", "1"], ("tench", "goldfish", "shark"), (0, 1)),
        (b'["tench", "goldfish"]', ["n01", "n02"], ("tench", "goldfish"), (0, 1)),
        (b'{"n02": "goldfish", "n01": "tench"}', ["n01", "n02"], ("goldfish", "tench"), (1, 0)),
        (b'{"7": "seven", "0": "none", "9": "nine"}', ["0", "7"], ("seven", "none", "nine"), (1, 0)),
        ("\ufeffçam\r\nMÜRVER\r\n".encode(), ["0", "1"], ("çam", "MÜRVER"), (0, 1)),
        ("犬\nكلب".encode(), ["a", "b"], ("犬", "كلب"), (0, 1)),
    ],
)
def test_names_come_in_the_order_of_the_classes_or_by_their_class(data, own, names, rows):
    found = classes_of(data, own, "FILE")
    assert (found.names, found.rows) == (names, rows)


@pytest.mark.parametrize(
    ("data", "own", "message"),
    [
        (None, ["0", "1"], "the classes of FILE are numbers; name .*classNames"),
        (b"one", ["0", "1"], "FILE has 1 names, but test has images of class 1; write a name for each"),
        (b"a\nb\nc", ["x", "y"], "FILE has 3 names for the 2 classes"),
        (b'{"x": "a"}', ["x", "y"], r"FILE has no name for class y \(1 are missing\)"),
        (b'{"x": 3}', ["x"], "every name must be a text"),
        (b"[1, 2", ["0", "1"], "FILE is no JSON"),
        (b"a\n\nc", ["0", "1", "2"], "name 2 is empty"),
        (b"\xff\xfe\x00", ["0"], "FILE is not UTF-8"),
    ],
)
def test_names_that_do_not_fit_are_refused_with_the_mend(data, own, message):
    with pytest.raises(UserError, match=message):
        classes_of(data, own, "FILE")


def test_templates_are_lines_with_one_place_for_the_name():
    assert templates_of(None, "FILE") == TEMPLATES
    assert templates_of("a {}\n\n 写真: {} \n".encode(), "FILE") == ("a {}", "写真: {}")
    assert all(template.count("{}") == 1 for template in TEMPLATES)
    assert len(set(TEMPLATES)) == len(TEMPLATES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n \n", "FILE is empty; write a template"),
        (b"a photo", r"template 'a photo' must have \{\} exactly once"),
        (b"{} and {}", "exactly once"),
    ],
)
def test_templates_that_do_not_fit_are_refused(data, message):
    with pytest.raises(UserError, match=message):
        templates_of(data, "FILE")


def test_every_class_stands_in_every_template():
    assert class_sentences(["cat", "dog"], ["{}", "no {}"], CLIP) == [["cat", "dog"], ["no cat", "no dog"]]


@pytest.mark.parametrize(
    "names", [["犬", "猫", "鳥"], ["çam", "Cam"], ["собака", "кошка"], ["كلب", "قطة"], ["🐶", "🐱"]]
)
@pytest.mark.parametrize("tokenizer", [BYTES, CLIP], ids=["bytes", "clip"])
def test_names_of_any_script_are_told_apart(names, tokenizer):
    class_sentences(names, TEMPLATES, tokenizer)


@pytest.mark.parametrize(
    ("names", "templates", "tokenizer", "message"),
    [
        (["crane", "crow", "crane"], ["{}"], CLIP, "two classes are named 'crane'; write in .*classNames"),
        (["Crane", "crane"], ["{}"], CLIP, "'Crane' and 'crane' are the same 3 tokens; write other names"),
        (
            ["a", "b"],
            ["word " * 20 + "{}"],
            CLIP,
            "are the same 16 tokens; shorten .* or raise .*contextLength",
        ),
        (["cat", ""], ["{}"], BYTES, "class name '' has no token"),
    ],
)
def test_names_that_read_the_same_are_refused(names, templates, tokenizer, message):
    with pytest.raises(UserError, match=message):
        class_sentences(names, templates, tokenizer)


def test_bytes_tell_upper_from_lower_case():
    class_sentences(["Turkey", "turkey"], ["{}"], BYTES)


def test_the_ensemble_is_the_direction_of_the_mean():
    features = F.normalize(torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    found = ensemble(features)
    assert torch.allclose(found.norm(dim=1), torch.ones(5))
    assert torch.allclose(found[2], F.normalize(features[:, 2].mean(0), dim=0))
    assert torch.allclose(ensemble(features[:1]), features[0])
    assert json.dumps(TEMPLATES)
