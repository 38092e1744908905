"""The children's manifests: names, walls around pods, and what a user's template may change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from webssl_api import env, labels
from webssl_api.resolved import ResolvedRun
from webssl_operator.construct.appdef import Places, worker_app
from webssl_operator.construct.children import standing_children, standing_marks
from webssl_operator.construct.quantities import parse_quantity, torchx_resource
from webssl_operator.construct.worker_job import template_digest, worker_job
from webssl_operator.observe.run import RunView
from webssl_operator.settings import Images

from tests.manifests.valid import valid_run


def run_of(**changes: Any) -> RunView:
    """A view of the valid run with changes to its spec."""
    raw = valid_run()
    raw["metadata"] |= {"uid": "u", "generation": 3}
    raw["spec"] |= changes
    view = RunView.of(raw)
    assert view.invalid == ""
    return view


def job_of(run: RunView, workers: int = 2) -> dict[str, Any]:
    assert run.spec is not None
    return worker_job(run, run.spec, Images(trainer="webssl/trainer:1"), workers)


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


def test_the_job_is_indexed_replaces_workers_for_ever_and_succeeds_with_the_first_that_commits() -> None:
    spec = job_of(run_of())["spec"]
    assert (spec["completionMode"], spec["parallelism"], spec["completions"]) == ("Indexed", 2, 2)
    assert spec["backoffLimitPerIndex"] == 2**31 - 1
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["successPolicy"] == {"rules": [{"succeededCount": 1}]}
    ignore, fail = spec["podFailurePolicy"]["rules"]
    assert (ignore["action"], ignore["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailJob", [78])


def test_pods_cannot_leave_their_walls() -> None:
    pod = job_of(run_of())["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/scratch", "/tmp", "/dev/shm"}


def test_a_worker_knows_its_run_its_name_its_address_and_where_to_report() -> None:
    (container,) = job_of(run_of())["spec"]["template"]["spec"]["containers"]
    values = environment(container)
    assert values[env.RUN_FILE] == "/etc/webssl/run.yaml"
    assert values[env.REPORT] == "configmap://default/small-progress"
    assert values[env.RENDEZVOUS] == "configmap://default/small-rendezvous"
    assert values[env.WORKER_ID] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert values[env.WORKER_ADDRESS] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert values["HOME"] == "/scratch"
    assert "OMP_NUM_THREADS" not in values


def test_credentials_come_from_the_secret_and_stand_nowhere_else() -> None:
    storage = {
        "endpoint": "http://s3:8333",
        "region": "eu-1",
        "secretRef": {"name": "s3-credentials"},
    }
    run = run_of(data={"source": "s3://shards/{000..003}.tar", "storage": storage})
    (container,) = job_of(run)["spec"]["template"]["spec"]["containers"]
    values = environment(container)
    assert values["AWS_ENDPOINT_URL"] == "http://s3:8333"
    assert values["AWS_REGION"] == "eu-1"
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert values[key] == {"secretKeyRef": {"name": "s3-credentials", "key": key}}


def test_the_users_template_is_taken_over() -> None:
    template = {
        "image": "example/trainer:7",
        "imagePullPolicy": "Never",
        "imagePullSecrets": ["registry"],
        "resources": {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 2}},
        "labels": {"team": "vision"},
        "annotations": {"note": "x"},
        "nodeSelector": {"gpu": "h100"},
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}],
        "priorityClassName": "high",
        "schedulerName": "other",
        "runtimeClassName": "nvidia",
        "terminationGracePeriodSeconds": 33,
        "sharedMemory": "2Gi",
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
        "volumes": [{"name": "src", "hostPath": {"path": "/src"}}],
        "volumeMounts": [{"name": "src", "mountPath": "/src", "readOnly": True}],
    }
    job = job_of(run_of(workers={"max": 2, "template": template}))
    meta, pod = job["spec"]["template"]["metadata"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("example/trainer:7", "Never")
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert container["resources"] == {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 2}}
    assert meta["labels"]["team"] == "vision"
    assert meta["labels"][labels.RUN] == "small"
    assert meta["annotations"]["note"] == "x"
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert (pod["priorityClassName"], pod["schedulerName"], pod["runtimeClassName"]) == (
        "high",
        "other",
        "nvidia",
    )
    assert pod["terminationGracePeriodSeconds"] == 33
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}} in pod["volumes"]
    assert environment(container)["OMP_NUM_THREADS"] == "1"
    assert container["volumeMounts"][-1]["mountPath"] == "/src"
    # The user has decided on one of the two taints of a lost node; the other gets the short time.
    assert [t["key"] for t in pod["tolerations"]] == [
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/not-ready",
    ]


def test_a_user_cannot_take_the_labels_by_which_the_operator_finds_pods() -> None:
    run = run_of(workers={"max": 2, "template": {"labels": {labels.RUN: "other", labels.ROLE: "x"}}})
    tags = job_of(run)["spec"]["template"]["metadata"]["labels"]
    assert (tags[labels.RUN], tags[labels.ROLE]) == ("small", "worker")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"suspend": True}, True),
        ({"restartPolicy": {"maxRestarts": 1}}, True),
        ({"workers": {"min": 1, "max": 4}}, True),
        ({"workers": {"min": 1, "max": 2, "processesPerWorker": 2}}, False),
        ({"workers": {"min": 1, "max": 2, "template": {"image": "x"}}}, False),
        ({"data": {"source": "s3://shards/{000..003}.tar", "storage": {"endpoint": "http://x"}}}, False),
    ],
)
def test_the_template_digest_changes_with_what_a_running_pod_cannot_take_in(
    changes: dict[str, Any], same: bool
) -> None:
    before, after = run_of().spec, run_of(**changes).spec
    assert before is not None
    assert after is not None
    assert (template_digest(before) == template_digest(after)) is same


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


def test_the_appdef_is_the_same_role_for_a_local_scheduler() -> None:
    run = run_of(
        workers={
            "min": 1,
            "max": 2,
            "template": {"resources": {"requests": {"cpu": "1500m", "memory": "2Gi"}}},
        }
    )
    assert run.spec is not None
    places = Places("/runs/one/run.yaml", "file:///runs/one/report", "file:///runs/one/rendezvous")
    app = worker_app("small", run.spec, places, "", 2)
    (role,) = app.roles
    assert (role.name, role.num_replicas, role.min_replicas, role.max_retries) == ("worker", 2, 1, 20)
    assert [role.entrypoint, *role.args] == ["python", "-m", "webssl_trainer.launch"]
    assert role.env[env.REPORT] == "file:///runs/one/report"
    assert (role.resource.cpu, role.resource.memMB) == (2, 2048)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [(8, 8), ("8", 8), ("500m", 0.5), ("64Gi", 64 * 2**30), ("1e3", 1000), ("2k", 2000)],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity: int | str, value: float) -> None:
    assert float(parse_quantity(quantity)) == value


def test_a_wrong_quantity_is_named() -> None:
    with pytest.raises(ValueError, match="quantity '8 GB' is not like 500m, 8 or 64Gi"):
        parse_quantity("8 GB")


def test_gpus_of_any_vendor_are_counted() -> None:
    run = run_of(workers={"max": 2, "template": {"resources": {"limits": {"amd.com/gpu": 4, "rdma/hca": 1}}}})
    assert run.spec is not None
    resource = torchx_resource(run.spec.workers.template.resources)
    assert (resource.gpu, resource.devices) == (4, {"rdma/hca": 1})
