"""A run that begins with the weights of another one: the same weights, its own schedules, and a clear refusal else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner
from webssl_api import exit_codes
from webssl_api.manifest import CheckpointManifest
from webssl_cli.main import make_app
from webssl_eval.encoders.checkpoint import load_vit
from webssl_eval.published.exporting import export
from webssl_eval.published.importing import import_published
from webssl_eval.published.source import find
from webssl_trainer.checkpoint.discovery import final_checkpoint, survey
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import TrainerConfig, read_run, trainer_config
from webssl_trainer.errors import UserError
from webssl_trainer.loop.exits import exit_code_of
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.replay import replay
from webssl_trainer.loop.session import Session, open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.model.positions import embedding_for
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun

ALONE = Processes(torch.device("cpu"), None, Peers(), Peers())
STORAGE = open_storage()
LARGER = {
    "stages": [{"resolution": 42, "localResolution": 28, "samples": 8 * 6}],
    "globalBatchSize": 8,
}
Make = Callable[..., LocalRun]


def config_of(run: LocalRun) -> TrainerConfig:
    return trainer_config(read_run(run.run_file))


def opened(run: LocalRun) -> Session:
    return open_session(config_of(run), ALONE, STORAGE, Seen())


def train(session: Session) -> None:
    loop = TrainingLoop(session, Narrator(session, 1, None, None, None), StopRequest())
    assert loop.run() == exit_codes.COMPLETE


def started(make: Make, origin: str, schedule: dict[str, Any] | None = None, **spec: Any) -> LocalRun:
    """A run of six steps that begins with the weights at an address."""
    model = {"size": "tiny", "patchSize": 14, "dropPath": 0.1, "startFrom": {"checkpoint": origin}}
    return make(steps=6, model=model, **({"schedule": schedule} if schedule else {}), **spec)


@pytest.fixture(scope="module")
def first(local_run_factory: Make) -> LocalRun:
    """A finished run of seven steps with checkpoints after steps 5 and 7."""
    run = local_run_factory("first", steps=7)
    train(opened(run))
    return run


def final_manifest(run: LocalRun) -> CheckpointManifest:
    candidate = final_checkpoint(STORAGE, run.uri)
    assert candidate is not None
    assert candidate.manifest is not None
    return candidate.manifest


def weights(session: Session) -> dict[str, torch.Tensor]:
    return {
        f"{module}.{name}": value.clone()
        for module, network in session.objective.modules.items()
        for name, value in network.state_dict().items()
    }


def test_all_networks_begin_with_the_other_runs_final_weights_and_the_optimizer_with_none(
    first: LocalRun, local_run: Make
) -> None:
    resumed = opened(first)
    session = opened(started(local_run, first.uri))
    mine, theirs = weights(session), weights(resumed)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert {name.split(".")[0] for name in mine} == {"student", "teacher"}
    assert resumed.optimizer.state
    assert not session.optimizer.state
    assert (session.step, session.loader(0).counters.broken) == (0, 0)
    assert session.schedules.learning_rate(0) == resumed.schedules.learning_rate(0)


def test_images_of_a_larger_size_have_the_features_that_the_other_model_gives_them(
    first: LocalRun, local_run: Make
) -> None:
    session = opened(started(local_run, first.uri, LARGER))
    vit = session.config.vit
    assert vit.image_size == 42
    candidate = final_checkpoint(STORAGE, first.uri)
    assert candidate is not None
    old = load_vit(STORAGE, f"{first.uri}/{candidate.key.path}", config_of(first).vit, "dino")
    images = torch.randn(2, 3, 42, 42, generator=torch.Generator().manual_seed(0))
    (there,), (here,) = (net.features(images) for net in (old, session.objective.modules["teacher"].backbone))
    torch.testing.assert_close(here.cls, there.cls)
    torch.testing.assert_close(here.patches, there.patches)


def test_the_fixed_positions_of_mae_are_interpolated_too_those_of_its_decoder_included(
    local_run: Make,
) -> None:
    objective = {"mae": {"decoder": {"width": 24, "depth": 1, "heads": 3}}}
    small = local_run(steps=1, objective=objective)
    train(opened(small))
    old, new = opened(small), opened(started(local_run, small.uri, LARGER, objective=objective))
    for name, value in weights(new).items():
        theirs = weights(old)[name]
        expected = embedding_for(theirs, 3, 3) if name.endswith("pos_embed") else theirs
        assert torch.equal(value, expected), name
    assert sum(value.shape[1:2] == (10,) for value in weights(new).values()) == 2


def test_its_checkpoints_say_where_it_began_and_it_goes_on_from_them_when_the_other_run_is_gone(
    first: LocalRun, local_run: Make, tmp_path: Path
) -> None:
    origin = tmp_path / "origin"
    shutil.copytree(first.folder / "bucket", origin)
    run = started(local_run, origin.as_uri(), LARGER)
    train(opened(run))
    theirs, mine = final_manifest(first), final_manifest(run)
    manifests = [item.manifest for item in survey(STORAGE, run.uri).ordered]
    before = min((item for item in manifests if item is not None), key=lambda item: item.step)
    assert before.parent == theirs.digest
    for manifest in (before, mine):
        assert manifest.started_from is not None
        assert manifest.started_from.digest == theirs.digest
        assert (manifest.started_from.step, manifest.started_from.samples) == (7, 56)
    listed = CliRunner().invoke(make_app(with_cluster=False), ["checkpoints", run.uri]).stdout
    assert f"began with the weights of {mine.started_from.uri}, step 7, digest {theirs.digest[:12]}" in listed
    found = replay(config_of(run), STORAGE, 0, ALONE)
    assert found.losses == pytest.approx(run.steps()[0]["losses"], rel=1e-5)
    shutil.rmtree(origin)
    session = opened(run)
    assert session.step == 6
    assert session.started_from == mine.started_from


def test_a_folder_or_a_digest_names_one_checkpoint_of_several(first: LocalRun, local_run: Make) -> None:
    early = next(item for item in survey(STORAGE, first.uri).ordered if item.key.step == 5)
    assert early.manifest is not None
    by_folder = opened(started(local_run, f"{first.uri}/{early.key.path}"))
    run = started(local_run, first.uri)
    config = config_of(run)

    def by_digest(digest: str) -> Session:
        assert config.start_from is not None
        pinned = replace(config, start_from=replace(config.start_from, digest=digest))
        return open_session(pinned, ALONE, STORAGE, Seen())

    whole = early.manifest.digest
    for session in (by_folder, by_digest(whole), by_digest(whole[:12])):
        assert session.started_from is not None
        assert session.started_from.step == 5


MINIATURE = {"textTower": {"width": 24, "depth": 1, "heads": 3}, "contextLength": 16, "tokenizer": "bytes"}


def begun_with_the_encoder(make: Make, origin: str, **spec: Any) -> Session:
    model = {
        "size": "tiny",
        "patchSize": 14,
        "startFrom": {"checkpoint": origin, "weights": "encoder"},
    }
    config = config_of(make(steps=2, model=model, **spec))
    # Whether the data have captions is not of interest here.
    return open_session(replace(config, max_bad_fraction=1.0), ALONE, STORAGE, Seen())


def encoder_of(session: Session) -> dict[str, torch.Tensor]:
    prefix = f"{session.objective.encoder}."
    return {name.removeprefix(prefix): x for name, x in weights(session).items() if name.startswith(prefix)}


def test_the_encoder_alone_may_be_taken_into_student_and_teacher_beside_other_heads(
    first: LocalRun, local_run: Make
) -> None:
    small = {"hiddenDim": 16, "bottleneckDim": 8, "prototypes": 32}
    objective = {"dino": {"dinoHead": small, "ibotHead": small, "localCrops": 2, "koleo": {"groupSize": 2}}}
    session = begun_with_the_encoder(local_run, first.uri, objective=objective)
    theirs, mine = encoder_of(opened(first)), weights(session)
    for name, value in theirs.items():
        assert torch.equal(mine[f"teacher.backbone.{name}"], value), name
        assert torch.equal(mine[f"student.backbone.{name}"], value), name


def test_the_encoder_of_another_objective_may_be_taken(first: LocalRun, local_run: Make) -> None:
    session = begun_with_the_encoder(local_run, first.uri, objective={"clip": MINIATURE})
    theirs, mine = encoder_of(opened(first)), encoder_of(session)
    assert session.objective.encoder == "clip.vision"
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_an_imported_encoder_may_be_taken_and_its_missing_heads_are_named_else(
    first: LocalRun, local_run: Make, tmp_path: Path
) -> None:
    candidate = final_checkpoint(STORAGE, first.uri)
    assert candidate is not None
    export(STORAGE, find(STORAGE, first.uri), tmp_path / "published")
    imported = (tmp_path / "imported").as_uri()
    import_published(tmp_path / "published", STORAGE, imported, "2030-01-01T00:00:00Z")
    session = begun_with_the_encoder(local_run, imported)
    mine, theirs = encoder_of(session), encoder_of(opened(first))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert "take only its encoder (weights: encoder)" in refusal(started(local_run, imported))


def refusal(run: LocalRun) -> str:
    with pytest.raises(UserError) as caught:
        opened(run)
    assert exit_code_of(caught.value) == exit_codes.USER_ERROR
    return str(caught.value)


HEAD = {"hiddenDim": 32, "bottleneckDim": 16, "prototypes": 64}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a larger model": ({"size": "S"}, r"spec.model.size is 'S', but {} .* was trained with 'tiny'"),
    "other patches": ({"patchSize": 7}, r"spec.model.patchSize is 7, but {} .* was trained with 14"),
    "other heads": (
        {"dino": {"dinoHead": {**HEAD, "prototypes": 32}, "ibotHead": HEAD, "koleo": {"groupSize": 2}}},
        r"spec.objective.dino.dinoHead.prototypes is 32, but {} .* was trained with 64",
    ),
    "another objective": (
        {"mae": {"decoder": {"width": 24, "depth": 1, "heads": 3}}},
        r"spec.objective is mae, but {} .* was trained with dino: name a checkpoint of mae, or take",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_field_and_both_values(
    first: LocalRun, local_run: Make, what: str
) -> None:
    changes, says = OTHERS[what]
    model = {"size": "tiny", "patchSize": 14, "startFrom": {"checkpoint": first.uri}}
    objective = {} if changes.keys() <= model.keys() else {"objective": changes}
    model |= {} if objective else changes
    text = refusal(local_run(steps=2, model=model, **objective))
    assert re.search(says.format("spec.model.startFrom.checkpoint"), text), text


def test_an_address_without_a_checkpoint_is_refused(local_run: Make, tmp_path: Path) -> None:
    text = refusal(started(local_run, (tmp_path / "nothing").as_uri()))
    assert "nothing holds no committed checkpoint: name the spec.checkpoint.uri of a run" in text


def test_a_digest_that_no_checkpoint_has_is_refused(first: LocalRun, local_run: Make) -> None:
    model = {"size": "tiny", "patchSize": 14, "startFrom": {"checkpoint": first.uri, "digest": "0" * 64}}
    assert f"holds no checkpoint of digest {'0' * 64}" in refusal(local_run(steps=2, model=model))


def test_a_damaged_checkpoint_is_refused_where_it_is_named_and_passed_over_where_its_run_is(
    first: LocalRun, local_run: Make, tmp_path: Path
) -> None:
    shutil.copytree(first.folder / "bucket", tmp_path / "origin")
    candidate = final_checkpoint(STORAGE, first.uri)
    assert candidate is not None
    folder = tmp_path / "origin" / candidate.key.path
    victim = next(folder.glob("*.distcp"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    assert f"checkpoint {folder.as_uri()} is damaged: {victim.name} has SHA-256" in refusal(
        started(local_run, folder.as_uri())
    )
    session = opened(started(local_run, (tmp_path / "origin").as_uri()))
    assert session.started_from is not None
    assert session.started_from.step == 5
