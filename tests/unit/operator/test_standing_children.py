"""The children that stand beside the Job: names, marks, rights, and the mounted run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from webssl_api import labels
from webssl_api.resolved import ResolvedRun
from webssl_operator.construct.children import standing_children, standing_marks
from webssl_operator.observe.run import RunView

from tests.manifests.valid import valid_run
from tests.unit.operator.small_run import job_of, run_of


def test_every_child_belongs_to_the_run_and_carries_the_labels_of_the_watches() -> None:
    run = run_of()
    assert run.spec is not None
    for manifest in [*standing_children(run, run.spec, 2, True), job_of(run)]:
        meta = manifest["metadata"]
        assert meta["labels"][labels.RUN] == "small"
        assert meta["labels"][labels.MANAGED_BY] == labels.MANAGER
        (owner,) = meta["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("WebSSLRun", "u", True)


@pytest.mark.parametrize("guarded", [True, False])
def test_marks_name_exactly_the_children_that_are_built(guarded: bool) -> None:
    run = run_of()
    assert run.spec is not None
    built = {(m["kind"], m["metadata"]["name"]) for m in standing_children(run, run.spec, 2, guarded)}
    assert built == set(standing_marks(run, run.spec, 2, guarded))
    assert (("PodDisruptionBudget", "small") in built) is guarded


@pytest.mark.parametrize("asked", ["", "5"])
def test_a_mark_changes_whenever_its_manifest_does(asked: str) -> None:
    one = run_of()
    other = replace(one, profile=asked)
    assert one.spec is not None
    for workers in (1, 2):
        before, after = standing_marks(one, one.spec, 2, True), standing_marks(other, one.spec, workers, True)
        built = {
            (m["kind"], m["metadata"]["name"]): m for m in standing_children(other, one.spec, workers, True)
        }
        old = {(m["kind"], m["metadata"]["name"]): m for m in standing_children(one, one.spec, 2, True)}
        for key, mark in after.items():
            assert (mark == before[key]) is (built[key] == old[key]), key


def test_the_pods_role_names_the_runs_own_config_maps_only() -> None:
    run = run_of()
    assert run.spec is not None
    role = next(m for m in standing_children(run, run.spec, 2, True) if m["kind"] == "Role")
    (rule,) = role["rules"]
    assert rule["resources"] == ["configmaps"]
    assert rule["resourceNames"] == [
        "small-rendezvous",
        "small-progress",
        "small-eval-knn",
        "small-eval-vqa",
    ]


def test_the_mounted_run_reads_back_as_the_same_specification() -> None:
    run = run_of()
    assert run.spec is not None
    config = next(
        m for m in standing_children(run, run.spec, 2, True) if m["metadata"]["name"] == "small-run"
    )
    resolved = ResolvedRun.from_yaml(config["data"]["run.yaml"])
    assert (resolved.spec, resolved.uid) == (run.spec, "u")


def test_a_request_for_a_trace_is_a_file_beside_the_mounted_run() -> None:
    raw = valid_run()
    raw["metadata"] |= {"uid": "u", "generation": 3, "annotations": {labels.PROFILE: "5@" + "x" * 1000}}
    run = RunView.of(raw)
    assert run.spec is not None
    config = standing_children(run, run.spec, 2, True)[0]
    assert sorted(config["data"]) == ["profile", "run.yaml"]
    assert len(config["data"]["profile"]) == 256, "a long text is cut; the trainer says that it is no request"
