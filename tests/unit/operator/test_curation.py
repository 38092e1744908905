"""A pass over a data set: ranges, finishing step, progress, suspension and failure, step by step beside a table."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from webssl_api import labels
from webssl_api.curation import CURATION_KEY, ResolvedCuration
from webssl_api.curation_status import FINISH_KEY, CurationPhase, report_key
from webssl_operator.metrics.curation import CurationCollector
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import Family
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Delete
from webssl_operator.plan.curation.planner import plan_curation
from webssl_operator.plan.decision import Plan
from webssl_operator.settings import Settings
from webssl_trainer.curation.settings import parse

from tests.unit.operator.curation_world import (
    FINISHING,
    NO_RAY,
    RAY,
    SCORING,
    START,
    Pass,
    begun,
    scored,
    told,
)


def test_children_stand_before_the_job_and_the_pods_may_write_their_report_and_nothing_else() -> None:
    found = begun(ranges=4, parallelism=2, maxRetries=5)
    kinds = [child["kind"] for child in found.children]
    assert kinds == ["ConfigMap", "ConfigMap", "ServiceAccount", "Role", "RoleBinding"]
    config, report, _, role, _ = found.children
    assert ResolvedCuration.from_yaml(config["data"][CURATION_KEY]).spec == found.head.spec
    assert role["rules"][0]["resourceNames"] == [report["metadata"]["name"]]
    for child in (*found.children, found.jobs[SCORING]):
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("WebSSLCuration", "u", True)
        assert child["metadata"]["labels"]["webssl.dev/curation"] == "text"
        assert labels.RUN not in child["metadata"]["labels"]
    spec = found.jobs[SCORING]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 2)
    assert (spec["backoffLimitPerIndex"], spec["podReplacementPolicy"]) == (5, "Failed")
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    (main,) = spec["template"]["spec"]["containers"]
    assert main["command"] == ["python", "-m", "webssl_trainer.curation", "score"]
    assert told(main)["WEBSSL_REPORT"] == f"configmap://default/{report['metadata']['name']}"


def test_the_pods_program_reads_what_the_operator_tells_it() -> None:
    found = scored(ranges=2)
    (scoring,) = found.jobs[SCORING]["spec"]["template"]["spec"]["containers"]
    (finishing,) = found.jobs[FINISHING]["spec"]["template"]["spec"]["containers"]
    ray = begun(facts=RAY).ray_jobs[SCORING]["spec"]
    (head,) = ray["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    report = f"configmap://default/{labels.curation_progress_name('text')}"
    for command, container, key in (
        (scoring["command"], scoring, report_key(1)),
        (finishing["command"], finishing, FINISH_KEY),
        (ray["entrypoint"].split(), head, FINISH_KEY),
    ):
        assert command[:3] == ["python", "-m", "webssl_trainer.curation"]
        settings = parse(command[3:], told(container) | {"JOB_COMPLETION_INDEX": "1"})
        assert settings.report_at == f"{report}#{key}"
        mount = next(m for m in container["volumeMounts"] if m["name"] == "run")
        assert settings.curation_file == Path(mount["mountPath"]) / CURATION_KEY


def test_the_ranges_reports_add_up_in_the_status_and_counts_alone_wait_for_their_pace() -> None:
    found = begun(ranges=2)
    found.runs()
    counts = {"shards_total": 5, "samples_total": 50, "images_per_second": 10.0}
    found.say(report_key(0), shards_done=2, samples=20, rows=20, failures={"empty": 1}, **counts)
    found.say(report_key(1), shards_done=1, samples=10, rows=10, failures={"empty": 2, "bomb": 1}, **counts)
    found.operate()
    status = found.status
    assert (status.phase, status.percent, status.shards_done, status.shards_total) == (
        CurationPhase.SCORING,
        30,
        3,
        10,
    )
    assert (status.samples, status.rows, status.failures) == (30, 30, {"bomb": 1, "empty": 3})
    assert status.images_per_second == 20.0
    assert status.start_time == format_time(START)
    found.say(report_key(0), shards_done=3, samples=30, rows=30, **counts)
    found.now += timedelta(seconds=2)
    decided = found.plan()
    assert (decided.status, decided.wake) == (None, START + timedelta(seconds=5))
    found.now += timedelta(seconds=3)
    assert found.operate().status is not None
    assert found.status.percent == 40


def test_a_report_that_cannot_be_read_is_left_out() -> None:
    found = begun(ranges=2)
    found.say(report_key(0), shards_done=1, shards_total=1, samples=4, samples_total=4)
    family = found.family()
    ((name, held),) = family.config_maps.items()
    spoilt = ConfigMapView(
        **{
            **{slot: getattr(held, slot) for slot in held.__slots__},
            "texts": {**held.texts, report_key(1): "{"},
        }
    )
    decided = plan_curation(
        Family(family.head, family.jobs, config_maps={name: spoilt}, applied=found.applied),
        START,
        Settings(),
        NO_RAY,
    )
    assert decided.status is not None
    assert decided.status.model_dump()["samples"] == 4


def test_when_every_range_is_scored_one_pod_makes_the_table() -> None:
    found = scored(ranges=2)
    assert (found.status.phase, list(found.jobs)) == (CurationPhase.FINISHING, [SCORING, FINISHING])
    assert {c.type: c.status for c in found.status.conditions}["Scored"] == "True"
    (main,) = found.jobs[FINISHING]["spec"]["template"]["spec"]["containers"]
    assert main["command"][-1] == "finish"
    digest = "a" * 64
    found.say(FINISH_KEY, finished=True, table_uri="s3://mc2b/scores/t.parquet", table_digest=digest)
    found.ends(FINISHING, "Complete")
    found.operate()
    status = found.status
    assert (status.phase, status.percent) == (CurationPhase.SUCCEEDED, 100)
    assert (status.table_uri, status.table_digest) == ("s3://mc2b/scores/t.parquet", digest)
    assert {c.type: c.status for c in status.conditions} == {
        "Admitted": "True",
        "Scored": "True",
        "TableReady": "True",
    }
    assert found.events == ["Created", "Scoring", "Finishing", "Succeeded"]
    assert found.plan() == Plan()


def test_a_scoring_job_that_somebody_deletes_once_all_is_scored_is_not_made_again() -> None:
    found = scored()
    del found.jobs[SCORING]
    assert found.plan().actions == ()


def test_a_finishing_pod_without_a_report_is_waited_for_and_then_named() -> None:
    found = scored()
    found.ends(FINISHING, "Complete")
    assert found.operate().wake == START + timedelta(seconds=60)
    found.now += timedelta(seconds=60)
    found.operate()
    assert found.status.phase is CurationPhase.FAILED
    assert "left no report of the table" in found.status.message


@pytest.mark.parametrize(
    ("job_reason", "reason"),
    [("FailedIndexes", "ScoringFailed"), ("PodFailurePolicy", "UserError")],
)
def test_a_failed_range_fails_the_pass_with_the_pods_own_words(job_reason: str, reason: str) -> None:
    found = begun(ranges=2)
    found.say(report_key(1), message="6.2 % of the images have no scores, above spec.maxBadShare 0.05")
    found.ends(SCORING, "Failed", job_reason, "Job has failed indexes", failures=4)
    found.operate()
    status = found.status
    assert (status.phase, status.retries) == (CurationPhase.FAILED, 4)
    assert (
        status.message
        == "Job has failed indexes\n6.2 % of the images have no scores, above spec.maxBadShare 0.05"
    )
    assert [c.reason for c in status.conditions if c.type == "Failed"] == [reason]
    assert found.events[-1] == "Failed"


def test_suspending_keeps_the_job_and_resuming_goes_on_in_it() -> None:
    found = begun()
    found.change(suspend=True)
    found.operate()
    assert (found.status.phase, found.jobs[SCORING]["spec"]["suspend"]) == (CurationPhase.SUSPENDED, True)
    found.change(suspend=False)
    found.operate()
    assert found.jobs[SCORING]["spec"]["suspend"] is False
    assert found.status.phase is CurationPhase.PENDING


def test_under_kueue_the_job_bears_the_queue_and_is_suspended_by_nobody_else() -> None:
    found = Pass(annotations={"labels": {labels.QUEUE_NAME: "vision"}})
    found.operate()
    job = found.jobs[SCORING]
    assert job["metadata"]["labels"][labels.QUEUE_NAME] == "vision"
    assert "suspend" not in job["spec"]
    job["spec"]["suspend"] = True  # as Kueue's webhook does
    found.operate()
    assert "queue vision" in found.status.message
    found.change(suspend=True)
    found.operate()
    assert found.jobs == {}


def test_more_pods_change_the_job_in_place_and_never_beyond_the_ranges() -> None:
    found = begun(ranges=3, parallelism=1)
    found.change(parallelism=8)
    found.operate()
    assert found.jobs[SCORING]["spec"]["parallelism"] == 3
    assert found.jobs[SCORING]["spec"]["completions"] == 3


def test_a_changed_template_starts_new_pods() -> None:
    found = begun()
    found.change(template={"image": "example/eval:2"})
    decided = found.plan()
    assert [action for action in decided.actions if isinstance(action, Delete)]
    for action in decided.actions:
        found._act(action)
    found.operate()
    (main,) = found.jobs[SCORING]["spec"]["template"]["spec"]["containers"]
    assert main["image"] == "example/eval:2"


def test_a_specification_that_cannot_be_read_is_a_condition_and_touches_nothing() -> None:
    found = Pass(scorers={"telepathy": {}})
    found.operate()
    assert "spec.scorers.telepathy" in found.status.message
    assert [(c.type, c.status, c.reason) for c in found.status.conditions] == [
        ("Admitted", "False", "InvalidSpec")
    ]
    assert found.events == ["InvalidSpec"]


def test_a_pass_has_its_progress_and_the_causes_of_failures_as_series() -> None:
    found = begun()
    found.runs()
    found.say(
        report_key(0), shards_done=2, shards_total=4, samples=20, samples_total=40, failures={"empty": 3}
    )
    found.operate()
    registry = CollectorRegistry()
    registry.register(CurationCollector(lambda: [found.head], lambda: START))
    text = generate_latest(registry).decode()
    who = 'curation="text",namespace="default"'
    assert f"webssl_curation_samples{{{who}}} 20.0" in text
    assert f"webssl_curation_shards{{{who}}} 2.0" in text
    assert f'webssl_curation_failures{{cause="empty",{who}}} 3.0' in text
    assert 'webssl_curations{phase="Scoring"} 1.0' in text
