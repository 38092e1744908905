"""`webssl export` and `webssl import`: from a run's address to a folder, and from a folder to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_eval.published.reading import load, weight_files
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.errors import UserError
from webssl_trainer.storage import open_storage

from tests.unit.eval.checkpoints import commit, drawn, spec_of
from tests.unit.eval.published import TINY, written

APP = make_app(with_cluster=False)


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Address of a run with one checkpoint."""
    spec = spec_of(tmp_path / "run")
    commit(open_storage(), spec, drawn(architecture(spec), 7))
    return spec.checkpoint.uri


def webssl(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def test_a_run_is_exported_compared_and_imported_again(run: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    done = webssl("export", run, str(first))
    assert done.exit_code == 0, done.output
    assert (
        f"{first}: the encoder of {run}/checkpoints/attempt-00000001-0a0b0c0d/step-000000000004"
        in done.output
    )
    assert "transformers' features differ by at most" in done.output
    models = (tmp_path / "models").as_uri()
    done = webssl("import", str(first), models)
    assert done.exit_code == 0, done.output
    assert "layout: Dinov2Model" in done.output
    assert "model: {size: tiny, patchSize: 14}" in done.output
    assert "whole" in webssl("checkpoints", models).output
    done = webssl("export", models, str(second), "--no-check", "--resolution", "28")
    assert done.exit_code == 0, done.output
    before, after = load(weight_files(first)), load(weight_files(second))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_place_that_is_taken_is_refused_before_the_checkpoint_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    done = webssl("export", "file:///no/such/run", str(tmp_path / "out"))
    assert isinstance(done.exception, UserError)
    assert "exists and is not an empty folder; name a new one" in str(done.exception)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    done = webssl("export", "runs/demo", str(tmp_path / "out"))
    assert isinstance(done.exception, CliError)
    assert "'runs/demo' is not a storage address: write s3://" in str(done.exception)
    done = webssl("import", str(tmp_path), "runs/demo")
    assert "'runs/demo' is not a storage address: write s3://" in str(done.exception)


def test_a_source_that_is_not_there_or_is_another_architecture_is_refused(tmp_path: Path) -> None:
    models = (tmp_path / "models").as_uri()
    done = webssl("import", str(tmp_path / "nowhere"), models)
    assert "nowhere: is not there: name a folder with config.json" in str(done.exception)
    folder = written(tmp_path / "published", drawn(TINY, 5), num_attention_heads=4)
    done = webssl("import", str(folder), models)
    assert "width 96, depth 4 and 4 heads are no spec.model.size" in str(done.exception)
