"""Two stages of tuning: what learns in each, what the weights do not depend on, and what is found again."""

from __future__ import annotations

import pytest
import torch
from webssl_api.evaluation_vqa import VqaSuite
from webssl_eval.language_models import load_language_model
from webssl_eval.suites.vqa import tuning
from webssl_eval.suites.vqa.steps import MemoryLackError, Stepper
from webssl_eval.suites.vqa.students import ProjectorAlone, Together
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_trainer.errors import UserError

from tests.unit.eval.tunings import kept_place, tunings, weights_of

CPU = torch.device("cpu")


@pytest.fixture
def spec(questions, language_model):
    def make(stage2=None, **changes) -> VqaSuite:
        return VqaSuite(
            train=questions("train", 12),
            test=questions("test", 4),
            language_model=str(language_model),
            **{"visual_tokens": 4, "steps": 6, "batch_size": 4, "learning_rate": 0.02, "seed": 3, **changes},
            stage2={"steps": 6, "batch_size": 4, "learning_rate": 0.01, **(stage2 or {})}
            if stage2 is not None
            else None,
        )

    return make


def equal(one, two) -> bool:
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, two, strict=True) for name in a | b)


def close(one, two) -> bool:
    """Equal but for the order of sums; AdamW makes more of it where gradients are tiny."""
    return all(
        torch.allclose(a[name], b[name], atol=1e-4 if name == "losses" else 2e-3)
        for a, b in zip(one, two, strict=True)
        for name in a | b
    )


def test_stage_2_moves_the_projector_and_the_language_model_and_leaves_the_folder_of_the_model(
    spec, encoder, tmp_path, language_model
):
    place = kept_place(tmp_path)
    before = load_language_model(language_model, CPU).model.state_dict()
    outcome = VisualQuestions(spec({})).run(encoder, place)
    first, second = weights_of(place)
    assert len(first["losses"]) == len(second["losses"]) == 6
    moved = [name for name in before if not torch.equal(before[name], second[f"weights.model.{name}"])]
    assert "model.layers.0.self_attn.q_proj.weight" in moved
    assert "lm_head.weight" in moved
    assert not torch.equal(first["weights.first.weight"], second["weights.projector.first.weight"])
    # The encoder's moments are no parameters, and the folder is as it was.
    assert torch.equal(first["weights.mean"], second["weights.projector.mean"])
    after = load_language_model(language_model, CPU).model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert outcome.details["stage2LastLoss"] < outcome.details["firstLoss"]


def test_both_stages_learn_colours(spec, encoder, tmp_path):
    stage2 = {"steps": 60, "batch_size": 8, "learning_rate": 0.005}
    outcome = VisualQuestions(spec(stage2, steps=40, batch_size=8)).run(encoder, kept_place(tmp_path))
    assert outcome.scores["accuracy"] == 100.0
    assert outcome.scores["blind"] <= 25.0


def test_stage_1_alone_gives_the_losses_of_stage_1_before_stage_2(spec, encoder, tmp_path):
    alone, both = kept_place(tmp_path, name="one"), kept_place(tmp_path, name="two")
    VisualQuestions(spec()).run(encoder, alone)
    VisualQuestions(spec({})).run(encoder, both)
    assert equal(weights_of(alone), weights_of(both)[:1])


def test_weights_are_found_again_and_stages_are_shared(spec, encoder, tmp_path, monkeypatch):
    place = kept_place(tmp_path)
    VisualQuestions(spec()).run(encoder, place)
    ran = []
    run = Stepper.gradients
    monkeypatch.setattr(Stepper, "gradients", lambda self, *rest: (ran.append(1), run(self, *rest))[1])
    first = VisualQuestions(spec({})).run(encoder, place)
    assert len(ran) == 6  # stage 1 was there
    again = VisualQuestions(spec({}, max_questions=2)).run(encoder, place)
    assert [line["answer"] for line in again.predictions] == [
        line["answer"] for line in first.predictions[:2]
    ]
    assert len(ran) == 6  # so was stage 2: which questions are asked changes no weight
    assert len(tunings(place)) == 2
    VisualQuestions(spec({}, seed=4)).run(encoder, place)
    assert len(ran) == 18


def test_the_size_of_micro_batches_changes_nothing(spec, encoder, tmp_path):
    places = [kept_place(tmp_path, name=name) for name in ("whole", "single")]
    for place, rows in zip(places, (4, 1), strict=True):
        VisualQuestions(spec({}, micro_batch_size=rows)).run(encoder, place)
    assert close(*map(weights_of, places))


def short_of_memory(monkeypatch, student, fits: int) -> list[int]:
    """The student's memory fits so many rows; the sizes that it is asked for."""
    sizes: list[int] = []
    loss = student.loss

    def limited(self, examples, features):
        sizes.append(len(examples))
        found = loss(self, examples, features)
        if len(examples) > fits:
            # Half way through, as on a GPU: some gradients have been added to when it fails.
            (found * 0.5).backward()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(student, "loss", limited)
    return sizes


@pytest.mark.parametrize(("student", "stage2"), [(ProjectorAlone, None), (Together, {})])
def test_a_batch_that_does_not_fit_the_memory_is_halved_for_good_with_equal_results(
    spec, encoder, tmp_path, monkeypatch, student, stage2
):
    wanted, place = kept_place(tmp_path, name="wanted"), kept_place(tmp_path, name="short")
    VisualQuestions(spec(stage2, micro_batch_size=1)).run(encoder, wanted)
    sizes = short_of_memory(monkeypatch, student, 1)
    VisualQuestions(spec(stage2)).run(encoder, place)
    assert sizes[:2] == [4, 2]
    assert set(sizes[2:]) == {1}
    assert close(weights_of(wanted)[-1:], weights_of(place)[-1:])


def test_a_row_that_does_not_fit_the_memory_alone_is_an_error_with_the_mend(
    spec, encoder, place, monkeypatch
):
    short_of_memory(monkeypatch, ProjectorAlone, 0)
    with pytest.raises(UserError, match=r"one training sequence alone does not fit the memory; .*maxLength"):
        VisualQuestions(spec()).run(encoder, place)


class Killed(BaseException):
    """The end of a process, which nothing handles."""


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("at", [1, 4])
def test_a_tuning_that_is_killed_and_resumed_gives_bit_equal_weights(
    spec, encoder, tmp_path, monkeypatch, stage, at
):
    wanted, place = kept_place(tmp_path, name="wanted"), kept_place(tmp_path, name="killed")
    made = spec({}, save_every=2)
    VisualQuestions(made).run(encoder, wanted)
    done = []
    step = tuning._Tuning._step

    def dying(self, number, *rest):
        done.append((self._stage.number, number))
        if (self._stage.number, number) == (stage, at) and done.count((stage, at)) == 1:
            self._saved._saver.collect(wait=True)  # what was saved beside this step is there
            raise Killed
        return step(self, number, *rest)

    monkeypatch.setattr(tuning._Tuning, "_step", dying)
    with pytest.raises(Killed):
        VisualQuestions(made).run(encoder, place)
    VisualQuestions(made).run(encoder, place)
    # It went on where it was saved last, and stage 1 was not done again for stage 2.
    again = done[done.index((stage, at)) + 1 :]
    assert again[0] == (stage, at // 2 * 2)
    assert equal(weights_of(wanted), weights_of(place))


def test_where_passes_are_collective_a_lack_of_memory_ends_the_round_and_the_next_one_starts_smaller(
    spec, encoder, tmp_path, monkeypatch
):
    wanted, place = kept_place(tmp_path, name="wanted"), kept_place(tmp_path, name="short")
    VisualQuestions(spec({}, micro_batch_size=2)).run(encoder, wanted)
    sizes = short_of_memory(monkeypatch, Together, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Together, "sharded", True)
        with pytest.raises(MemoryLackError):
            VisualQuestions(spec({})).run(encoder, place)
    VisualQuestions(spec({})).run(encoder, place)
    assert sizes[:2] == [4, 2]
    assert close(weights_of(wanted), weights_of(place))
