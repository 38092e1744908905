"""One suite on one pinned checkpoint: what is loaded, refused, written, reported, and not done twice."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_api import env, exit_codes
from webssl_api.manifest import MANIFEST_NAME, CheckpointManifest
from webssl_api.reports import EvaluationReport
from webssl_api.resolved import ResolvedRun
from webssl_eval import job
from webssl_eval.__main__ import main
from webssl_eval.encoders.checkpoint import checkpoint_encoder, pinned_manifest
from webssl_eval.encoders.vit import random_encoder
from webssl_eval.results import known_scores
from webssl_eval.settings import settings_of
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer, initialise, vit_config
from webssl_trainer.reporting import SinkUnavailableError
from webssl_trainer.storage import Storage

from tests.unit.eval.conftest import png

CPU = torch.device("cpu")


def run_of(folder: Path, **changes: Any) -> ResolvedRun:
    labelled = f"{(folder / 'labelled').as_uri()}/*.tar"
    spec: dict[str, Any] = {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {"koleo": {"groupSize": 2}}},
        "data": {"source": labelled},
        "schedule": {"stages": [{"resolution": 28, "samples": 8}], "globalBatchSize": 4},
        "workers": {"min": 1, "max": 1},
        "checkpoint": {"uri": folder.as_uri(), "interval": {"samples": 8}},
        "evaluation": {"suites": [{"knn": {"train": labelled, "test": labelled, "k": 1}}]},
        **changes,
    }
    return ResolvedRun.model_validate({"name": "run", "namespace": "ns", "uid": "u", "spec": spec})


def save_checkpoint(storage: Storage, folder: str, backbone: VisionTransformer) -> CheckpointManifest:
    """A committed checkpoint as the trainer writes it: student and teacher, the manifest last."""
    other = VisionTransformer(backbone.config)
    initialise(other, 99)
    state = {
        "modules": {
            name: {f"backbone.{key}": value for key, value in vit.state_dict().items()}
            for name, vit in (("student", other), ("teacher", backbone))
        }
    }
    store = ObjectStore(storage, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_save(state, storage_writer=ObjectWriter(store), no_dist=True)
    manifest = CheckpointManifest(
        run_uid="u",
        attempt=1,
        step=2,
        samples=8,
        stage=0,
        final=True,
        world_size=1,
        config_digest="c",
        objects=store.entries,
    )
    storage.put(f"{folder}/{MANIFEST_NAME}", manifest.to_bytes())
    return manifest


@pytest.fixture
def backbone() -> VisionTransformer:
    vit = VisionTransformer(vit_config("tiny", patch_size=14, image_size=28))
    initialise(vit, 7)
    return vit


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return f"{tmp_path.as_uri()}/checkpoints/attempt-00000001-0a0b0c0d/step-000000000002"


@pytest.fixture
def environment(storage, tmp_path, backbone, folder) -> dict[str, str]:
    items = [PackItem(f"{c}{n}", png(c), "png", label=n % 2) for n, c in enumerate(["red", "green", "blue"])]
    pack(items, storage, (tmp_path / "labelled").as_uri())
    (tmp_path / "run.yaml").write_text(run_of(tmp_path).to_yaml())
    manifest = save_checkpoint(storage, folder, backbone)
    return {
        env.RUN_FILE: str(tmp_path / "run.yaml"),
        env.SUITE: "knn",
        env.CHECKPOINT_URI: folder,
        env.CHECKPOINT_DIGEST: manifest.digest,
        env.REPORT: (tmp_path / "reports" / "knn.json").as_uri(),
        "TMPDIR": str(tmp_path / "scratch"),
    }


def test_the_teachers_backbone_is_loaded_not_the_students(storage, tmp_path, backbone, folder):
    manifest = save_checkpoint(storage, folder, backbone)
    loaded = checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, None, CPU)
    views = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = random_encoder(backbone.config, 28, 7, CPU).encode(views)
    assert torch.equal(loaded.encode(views).cls, expected.cls)
    assert torch.equal(loaded.encode(views).patches, expected.patches)
    assert loaded.encode(views).patches.shape == (2, 2, 2, 96)


def test_another_resolution_may_be_asked_for(storage, tmp_path, backbone, folder):
    manifest = save_checkpoint(storage, folder, backbone)
    loaded = checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, 56, CPU)
    assert loaded.encode(torch.zeros(1, 3, 56, 56)).patches.shape == (1, 4, 4, 96)


def test_a_checkpoint_of_another_model_is_refused_with_the_parameter(storage, tmp_path, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    run = run_of(tmp_path, model={"size": "S", "patchSize": 14})
    with pytest.raises(
        UserError, match=r"has shape \(1, 1, 96\), the run's model needs \(1, 1, 384\); spec.model"
    ):
        checkpoint_encoder(storage, folder, manifest, run.spec, None, CPU)


def test_a_checkpoint_with_another_digest_than_the_pinned_one_is_refused(storage, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    assert pinned_manifest(storage, folder, manifest.digest) == manifest
    with pytest.raises(
        UserError, match=f"has digest {manifest.digest}, but the evaluation is pinned to {'0' * 64}"
    ):
        pinned_manifest(storage, folder, "0" * 64)


def test_a_folder_without_a_manifest_is_no_checkpoint(storage, folder):
    with pytest.raises(UserError, match=r"is no checkpoint: it has no manifest\.json"):
        pinned_manifest(storage, folder, "0" * 64)


def test_a_damaged_object_is_found_before_anything_of_it_is_used(storage, tmp_path, folder, backbone):
    manifest = save_checkpoint(storage, folder, backbone)
    url = f"{folder}/{manifest.objects[-1].path}"
    data = bytearray(storage.read(url))
    data[len(data) // 2] ^= 1
    storage.put(url, bytes(data))
    with pytest.raises(UserError, match=r"is damaged: .*SHA-256.*evaluate another checkpoint"):
        checkpoint_encoder(storage, folder, manifest, run_of(tmp_path).spec, None, CPU)


def test_a_suite_reports_and_leaves_scores_and_predictions_next_to_the_checkpoint(
    environment, storage, tmp_path, folder
):
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert report.scores == {"top1": 100.0, "top5": 100.0, "prior": 66.6667}
    assert (report.suite, report.kind, report.questions) == ("knn", "knn", 3)
    assert report.checkpoint_digest == environment[env.CHECKPOINT_DIGEST]
    assert report.predictions_uri == f"{folder}/eval/knn/predictions.jsonl"
    lines = [json.loads(line) for line in storage.read(report.predictions_uri).splitlines()]
    assert [line["predicted"][0] for line in lines] == ["0", "1", "0"]
    scores = known_scores(storage, f"{folder}/eval/knn")
    assert scores is not None
    assert scores.report == report
    # The checkpoint itself is untouched.
    manifest = pinned_manifest(storage, folder, environment[env.CHECKPOINT_DIGEST])
    entry = manifest.objects[0]
    assert hashlib.sha256(storage.read(f"{folder}/{entry.path}")).hexdigest() == entry.sha256


def test_tables_and_pictures_of_a_suite_lie_beside_its_scores_and_are_not_computed_twice(
    environment, storage, tmp_path, folder, monkeypatch
):
    labelled = f"{(tmp_path / 'labelled').as_uri()}/*.tar"
    probe = {"train": labelled, "test": labelled, "steps": 3, "batchSize": 2, "learningRates": [0.1, 0.2]}
    run = run_of(tmp_path, evaluation={"suites": [{"linear": probe, "name": "probe"}]})
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    environment[env.SUITE] = "probe"
    assert main(environment) == exit_codes.COMPLETE
    report = EvaluationReport.model_validate_json((tmp_path / "reports" / "knn.json").read_text())
    assert (report.suite, report.kind, set(report.scores)) == ("probe", "linear", {"top1", "top5", "prior"})
    heads = json.loads(storage.read(f"{folder}/eval/probe/heads.json"))
    assert len(heads) == 8
    monkeypatch.setattr(job, "checkpoint_encoder", lambda *_: pytest.fail("the encoder was loaded again"))
    assert main(environment) == exit_codes.COMPLETE


def test_known_scores_are_reported_again_without_computing(environment, tmp_path, monkeypatch):
    assert main(environment) == exit_codes.COMPLETE
    first = (tmp_path / "reports" / "knn.json").read_text()
    (tmp_path / "reports" / "knn.json").unlink()
    monkeypatch.setattr(job, "checkpoint_encoder", lambda *_: pytest.fail("the encoder was loaded again"))
    assert main(environment) == exit_codes.COMPLETE
    assert (tmp_path / "reports" / "knn.json").read_text() == first


@pytest.mark.parametrize("change", ["settings", "data", "damaged"])
def test_scores_of_other_settings_or_data_and_unreadable_ones_are_computed_again(
    environment, storage, tmp_path, folder, change
):
    assert main(environment) == exit_codes.COMPLETE
    url = f"{folder}/eval/knn/scores.json"
    before = json.loads(storage.read(url))
    if change == "settings":
        run = run_of(tmp_path).to_dict()
        run["spec"]["evaluation"]["suites"][0]["knn"]["k"] = 2
        (tmp_path / "run.yaml").write_text(ResolvedRun.model_validate(run).to_yaml())
    elif change == "data":
        pack([PackItem("one", png("red"), "png", label=0)], storage, (tmp_path / "labelled").as_uri())
    else:
        storage.put(url, b"{")
    assert main(environment) == exit_codes.COMPLETE
    after = json.loads(storage.read(url))
    assert after["settingsDigest"] != before["settingsDigest"] or change != "settings"
    assert after["dataDigest"] != before["dataDigest"] or change != "data"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (env.SUITE, "vqa"),
        (env.SUITE, ""),
        (env.RUN_FILE, "/no/such/file"),
        (env.CHECKPOINT_DIGEST, "0" * 64),
        (env.CHECKPOINT_URI, "file:///no/such/checkpoint"),
        (env.REPORT, "http://somewhere"),
    ],
)
def test_what_a_retry_cannot_mend_ends_with_the_users_exit_code(environment, variable, value):
    assert main({**environment, variable: value}) == exit_codes.USER_ERROR


def test_a_fault_that_may_pass_ends_with_the_code_for_a_retry(environment, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("the disk is away")

    monkeypatch.setattr(job, "checkpoint_encoder", fail)
    assert main(environment) == exit_codes.RETRY


def test_a_suite_that_the_run_does_not_have_is_named_with_those_it_has(environment):
    with pytest.raises(UserError, match=r"WEBSSL_SUITE=other is no suite of run run \(it has: knn\)"):
        settings_of({**environment, env.SUITE: "other"})


class Flaky:
    """A sink that is away for the first `failures` writes."""

    def __init__(self, failures: int) -> None:
        self.failures, self.texts = failures, list[str]()

    def write(self, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise SinkUnavailableError("away")
        self.texts.append(text)

    def read(self) -> str | None:
        return self.texts[-1] if self.texts else None


REPORT = EvaluationReport(suite="s", kind="knn", checkpoint_digest="d", scores={"top1": 1.0}, questions=1)


def test_a_report_is_sent_patiently():
    sink, pauses = Flaky(4), list[float]()
    job.send(REPORT, sink, pauses.append)
    assert EvaluationReport.model_validate_json(sink.texts[0]) == REPORT
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_place_that_stays_away_is_an_error_in_the_end():
    with pytest.raises(SinkUnavailableError):
        job.send(REPORT, Flaky(1000), lambda _: None)
