"""From questions to scores: sequences, tuning, answers, and the whole suite on a small real language model."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from webssl_api.evaluation_vqa import VqaSuite
from webssl_eval.images import ImageRef
from webssl_eval.language_models import Prefixes, load_language_model
from webssl_eval.suites.vqa.answering import exchanged
from webssl_eval.suites.vqa.forms import joined
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.prompt import answer_tokens
from webssl_eval.suites.vqa.recipe import Recipe, rate_at, rows_of, rows_seen
from webssl_eval.suites.vqa.sequences import asking_batch, tuning_batch, with_visual
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_trainer.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def model(language_model):
    return load_language_model(language_model, CPU)


def test_the_projector_maps_tokens_to_the_models_width_at_its_scale():
    generator = torch.Generator().manual_seed(0)
    mean, spread = torch.full((6,), 3.0), torch.full((6,), 0.1)
    projector = Projector(mean, spread, 64, 0.05, seed=1)
    out = projector(mean + spread * torch.randn(40, 9, 6, generator=generator))
    assert out.shape == (40, 9, 64)
    assert 0.03 < out.square().mean().sqrt() < 0.08


def test_equal_seeds_give_equal_projectors():
    make = lambda seed: Projector(torch.zeros(3), torch.ones(3), 8, 1.0, seed)(torch.ones(1, 2, 3))  # noqa: E731
    assert torch.equal(make(4), make(4))
    assert not torch.equal(make(4), make(5))


def test_only_answer_tokens_are_predicted(model):
    rows = [
        joined([([2, 3], False), None, ([4, 5], False), (answer, True)]) for answer in ([10, 1], [11, 12, 1])
    ]
    batch = tuning_batch(rows, 3, model.end, whole=False)
    assert batch.slots.tolist() == [[True] * 3 + [False] * 4] * 2
    assert batch.mask.sum(1).tolist() == [3 + 2 + 1, 3 + 2 + 2]
    # Behind the cue stands the first answer token; the end is predicted, never fed in.
    assert batch.wanted.nonzero().tolist() == [[0, 4], [0, 5], [1, 4], [1, 5], [1, 6]]
    assert batch.targets.tolist() == [10, 1, 11, 12, 1]


def whole_sequence_logits(model, question, visual, rest):
    """The definition: question, visual tokens and the rest in one pass without a cache; logits at the last position."""
    parts = [model.embed(torch.tensor([question])), visual, model.embed(torch.tensor([rest]))]
    return model.model(inputs_embeds=torch.cat(parts, 1)).logits[0, -1]


def test_a_question_read_before_gives_the_logits_of_the_whole_sequence(model):
    visual = torch.randn(3, 4, model.width, generator=torch.Generator().manual_seed(0))
    questions = [[2, 4], [2, 4, 5, 6, 7], [3]]
    answers = [[10, 1], [11, 12, 1], [13, 1]]
    rows = [
        joined([(question, False), None, ([8, 3], False), (answer, True)])
        for question, answer in zip(questions, answers, strict=True)
    ]
    batch = tuning_batch(rows, 4, model.end, whole=False)
    inputs = with_visual(model.embed(batch.tokens), batch.slots, visual)
    prefixes = Prefixes(model)
    for _ in range(2):  # read now, then remembered
        logits = model.logits(prefixes.past(questions), inputs, batch.mask, batch.wanted)
        place = 0
        for row, answer in enumerate(answers):
            for length in range(len(answer)):
                rest = [8, 3, *answer[:length]]
                expected = whole_sequence_logits(model, questions[row], visual[row : row + 1], rest)
                assert torch.allclose(logits[place], expected, atol=1e-5)
                place += 1


def test_padding_changes_no_answer_and_greedy_follows_the_definition(model):
    visual = torch.randn(2, 3, model.width, generator=torch.Generator().manual_seed(0))
    questions, cue = [[2, 3], [2, 3, 4, 5, 6]], [8, 3]
    inputs, mask = asking_batch(model, visual, [cue, cue])
    together = model.greedy(Prefixes(model).past(questions), inputs, 4, mask)
    for row in (0, 1):
        rest = list(cue)
        for _ in range(4):
            token = int(whole_sequence_logits(model, questions[row], visual[row : row + 1], rest).argmax())
            rest.append(token)
            if token == model.end:
                break
        assert together[row] == model.tokenizer.decode(rest[len(cue) :], skip_special_tokens=True)


def test_no_more_questions_are_kept_than_allowed(model):
    prefixes = Prefixes(model, kept=2)
    for number in range(2, 8):
        assert prefixes.past([[number, 3]]).lengths.tolist() == [2]
    assert len(prefixes._kept) == 2


def test_answers_end_with_the_end_token(model):
    assert answer_tokens(model, "red")[-1] == model.end


def test_the_rate_warms_up_over_six_per_cent_and_falls_to_nearly_nothing():
    recipe = Recipe(steps=100, batch=1, learning_rate=1.0, seed=0)
    rates = [rate_at(step, recipe) for step in range(100)]
    assert rates[:6] == pytest.approx([(n + 1) / 6 for n in range(6)])
    assert rates[6] == 1.0
    assert rates == sorted(rates[:6]) + sorted(rates[6:], reverse=True)
    assert rates[-1] < 0.001


def test_every_pass_over_the_questions_is_a_permutation():
    recipe = Recipe(steps=5, batch=2, learning_rate=1.0, seed=3)
    flat = [number for step in range(5) for number in rows_of(step, 5, recipe)]
    assert sorted(flat[:5]) == sorted(flat[5:]) == list(range(5))
    assert flat[:5] != flat[5:]


@given(step=st.integers(0, 30), count=st.integers(1, 12), batch=st.integers(1, 40), seed=st.integers(0, 9))
def test_the_rows_of_a_step_are_a_pure_function_of_seed_and_step(step, count, batch, seed):
    recipe = Recipe(steps=31, batch=batch, learning_rate=1.0, seed=seed)
    before = [number for earlier in range(step) for number in rows_of(earlier, count, recipe)]
    rows = rows_of(step, count, recipe)
    assert len(rows) == batch
    # Whoever starts at this step sees what those saw who came from step 0: each pass has every row once.
    flat = before + rows
    for start in range(0, len(flat) - count + 1, count):
        assert sorted(flat[start : start + count]) == list(range(count))
    seen = rows_seen(count, Recipe(step + 1, batch, 1.0, seed))
    assert set(flat) == set(seen.tolist())


def spec(questions, language_model, **changes) -> VqaSuite:
    return VqaSuite(
        train=questions("train", 40),
        test=questions("test", 8),
        language_model=str(language_model),
        **{"visual_tokens": 4, "steps": 150, "batch_size": 8, "learning_rate": 0.02, **changes},
    )


def test_the_suite_learns_colours_through_a_frozen_model_and_is_blind_without_the_image(
    place, encoder, questions, language_model
):
    before = load_language_model(language_model, CPU).embedding.weight.clone()
    outcome = VisualQuestions(spec(questions, language_model)).run(encoder, place)
    assert outcome.scores["accuracy"] >= 75.0
    assert outcome.scores["prior"] == 25.0
    assert outcome.scores["blind"] <= 25.0
    assert outcome.scores["accuracy_colour"] == outcome.scores["accuracy"]
    assert outcome.questions == len(outcome.predictions) == 8
    assert [line["id"] for line in outcome.predictions] == [f"test-{number}" for number in range(8)]
    assert outcome.details["lastLoss"] < outcome.details["firstLoss"]
    assert torch.equal(before, load_language_model(language_model, CPU).embedding.weight)


def test_every_question_is_also_asked_about_another_image():
    images = [ImageRef(f"s3://b/{name}") for name in "aabca"]
    assert [ref.url[-1] for ref in exchanged(images)] == ["c", "c", "a", "b", "c"]
    assert exchanged(images[:2]) == images[:2]  # there is no other


def test_equal_runs_give_equal_predictions(place, encoder, questions, language_model):
    suite = VisualQuestions(spec(questions, language_model, steps=3))
    assert suite.run(encoder, place).predictions == suite.run(encoder, place).predictions


def test_only_the_front_of_the_test_file_is_asked_when_told(place, encoder, questions, language_model):
    suite = VisualQuestions(spec(questions, language_model, steps=2, max_questions=3))
    assert suite.run(encoder, place).questions == 3


def test_the_scratch_folder_is_left_as_it_was_found(place, encoder, questions, language_model):
    VisualQuestions(spec(questions, language_model, steps=2)).run(encoder, place)
    assert list(place.scratch.iterdir()) == []


def test_the_data_digest_covers_questions_images_and_the_model(place, questions, language_model, tmp_path):
    suite = VisualQuestions(spec(questions, language_model))
    before = suite.data_digest(place)
    assert suite.data_digest(place) == before
    image = tmp_path / "vqa" / "images" / "red.png"
    image.write_bytes(image.read_bytes() + b"\0")
    changed = suite.data_digest(place)
    assert changed != before
    (tmp_path / "other").mkdir()
    assert VisualQuestions(spec(questions, tmp_path / "other")).data_digest(place) != changed


def test_a_rate_that_makes_the_loss_infinite_is_named(place, encoder, questions, language_model, monkeypatch):
    from webssl_eval.suites.vqa import students

    monkeypatch.setattr(
        students.F, "cross_entropy", lambda *_, **__: torch.tensor(float("nan"), requires_grad=True)
    )
    with pytest.raises(UserError, match=r"diverged at step 0 \(learningRate 0.02\); lower it"):
        VisualQuestions(spec(questions, language_model)).run(encoder, place)
