"""The workers' Job: its walls, what a worker is told, and what a user's template may change."""

from __future__ import annotations

from typing import Any

import pytest
from webssl_api import env, labels
from webssl_operator.construct.appdef import Places, worker_app
from webssl_operator.construct.worker_job import template_digest

from tests.manifests.valid import valid_run
from tests.unit.operator.small_run import job_of, run_of


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


@pytest.mark.parametrize(
    ("cloud", "names"),
    [
        ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY"}),
        ("az", {"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"}),
    ],
)
def test_a_secret_of_another_cloud_gives_the_keys_of_that_cloud(cloud: str, names: set[str]) -> None:
    storage = {"secretRef": {"name": "keys", "cloud": cloud}}
    run = run_of(data={"source": f"{cloud}://shards/{{000..003}}.tar", "storage": storage})
    (container,) = job_of(run)["spec"]["template"]["spec"]["containers"]
    secret = {name for name, value in environment(container).items() if "secretKeyRef" in str(value)}
    assert secret == names


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


@pytest.mark.parametrize(
    ("asked", "volume"),
    [
        ({"size": "100Gi"}, {"emptyDir": {"sizeLimit": "100Gi"}}),
        (
            {"size": "2Ti", "storageClassName": "nvme"},
            {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "storageClassName": "nvme",
                            "resources": {"requests": {"storage": "2Ti"}},
                        }
                    }
                }
            },
        ),
        ({"size": "100Gi", "path": "/nvme"}, None),
        (None, None),
    ],
)
def test_the_cache_of_blocks_is_a_volume_of_its_size_unless_it_names_a_folder(
    asked: dict[str, str] | None, volume: dict[str, Any] | None
) -> None:
    plain = run_of()
    run = plain if asked is None else run_of(data=valid_run()["spec"]["data"] | {"cache": asked})
    pod = job_of(run)["spec"]["template"]["spec"]
    found = [item for item in pod["volumes"] if item["name"] == "block-cache"]
    mounts = [item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "block-cache"]
    assert found == ([] if volume is None else [{"name": "block-cache", **volume}])
    assert mounts == ([] if volume is None else [{"name": "block-cache", "mountPath": env.CACHE_MOUNT}])
    assert run.spec is not None
    assert plain.spec is not None
    assert (template_digest(run.spec) == template_digest(plain.spec)) is (asked is None)


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
