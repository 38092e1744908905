"""One step again from the checkpoint before it: the same samples, the same numbers, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner
from webssl_api import exit_codes
from webssl_cli.main import make_app
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import TrainerConfig, read_run, trainer_config
from webssl_trainer.errors import UserError
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.replay import Replayed, examine, replay, start_before
from webssl_trainer.loop.session import assemble, open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun

ALONE = Processes(torch.device("cpu"), None, Peers(), Peers())
PLACES = {0: 0, 4: 0, 5: 5, 7: 5, 11: 10}
"""Step to replay, and the step of the checkpoint before it: they are taken every 5 steps."""


@pytest.fixture(scope="module")
def trained(local_run_factory: Callable[..., LocalRun]) -> LocalRun:
    """A run of 12 steps in this process."""
    run = local_run_factory("replay", steps=12)
    session = open_session(config_of(run), ALONE, open_storage(), Seen())
    narrator = Narrator(session, 1, None, None, None)
    assert TrainingLoop(session, narrator, StopRequest()).run() == exit_codes.COMPLETE
    return run


def config_of(run: LocalRun) -> TrainerConfig:
    return trainer_config(read_run(run.run_file))


def again(run: LocalRun, step: int) -> Replayed:
    return replay(config_of(run), open_storage(), step, ALONE)


def listing(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*")}


@pytest.mark.parametrize("step", PLACES)
def test_a_step_has_the_samples_and_the_numbers_that_the_log_says(trained: LocalRun, step: int) -> None:
    before = listing(trained.folder / "bucket")
    found = again(trained, step)
    logged = trained.steps()[step]
    assert found.trained_again == step - PLACES[step]
    assert (found.first, found.end, found.samples) == (logged["first"], logged["end"], logged["ids"])
    assert found.digest == logged["digest"]
    assert found.same_samples
    assert found.losses == pytest.approx(logged["losses"], rel=1e-5)
    assert sum(norm**2 for norm in found.gradient_norms.values()) ** 0.5 == pytest.approx(
        logged["grad_norm"], rel=1e-4
    )
    assert found.learning_rate == logged["lr"]
    assert found.accepted
    assert not found.not_finite_weights
    assert listing(trained.folder / "bucket") == before


def test_smaller_micro_batches_give_the_same_numbers(trained: LocalRun) -> None:
    config = config_of(trained)
    small = replace(config, plan=replace(config.plan, micro_batch=2))
    found = replay(small, open_storage(), 6, ALONE)
    assert found.same_samples
    assert found.losses == pytest.approx(trained.steps()[6]["losses"], rel=1e-4)


def test_weights_and_gradients_that_are_not_finite_are_named(trained: LocalRun) -> None:
    config, storage = config_of(trained), open_storage()
    session = assemble(config, ALONE, storage, start_before(storage, config, 5))
    name, weight = next(iter(session.objective.trained.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[0] = torch.inf
    with session.loader(0) as loader:
        found = examine(session, next(loader))
    assert found.not_finite_weights == [name]
    assert name in found.not_finite_gradients
    assert not found.accepted
    assert f'"not_finite_weights": [\n    "{name}"\n  ]' in found.to_json()


def test_the_command_prints_the_step_as_json(trained: LocalRun, tmp_path: Path) -> None:
    manifest = {"apiVersion": "webssl.dev/v1alpha1", "kind": "WebSSLRun", "metadata": {"name": "local"}}
    spec = yaml.safe_load(trained.run_file.read_text())["spec"]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**manifest, "spec": spec}))
    done = CliRunner().invoke(make_app(with_cluster=False), ["replay", str(tmp_path / "run.yaml"), "6"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["step"], found["trained_again"], found["same_samples"]) == (6, 1, True)
    assert found["loss_apart"] == pytest.approx(0, abs=1e-4)


def test_a_step_beyond_the_run_is_refused(trained: LocalRun) -> None:
    with pytest.raises(UserError, match="step 12 is not one of this run's: it has steps 0 to 11"):
        again(trained, 12)


def test_checkpoints_of_another_run_are_refused(trained: LocalRun) -> None:
    other = replace(config_of(trained), identity={**config_of(trained).identity, "data.seed": 4})
    with pytest.raises(UserError, match=r"spec\.data\.seed is 4, but the checkpoint .* was trained with 3"):
        replay(other, open_storage(), 7, ALONE)
