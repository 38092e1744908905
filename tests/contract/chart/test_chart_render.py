"""What `helm template` writes, with the real helm."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.contract.chart.programs import CHART, NAMESPACE, Helm

EVERYTHING = (
    "--set=dashboards.enabled=true,podMonitor.enabled=true,prometheusRule.enabled=true",
    "--set=images.pullSecrets={registry},priorityClassName=high,nodeSelector.disk=ssd,podLabels.team=vision",
    "--set=networkPolicy.apiServerCidrs={10.0.0.0/8}",
    '--set-json=tolerations=[{"key":"a","operator":"Exists"}]',
    '--set-json=extraEnv=[{"name":"A","value":"b"}]',
    '--set-json=networkPolicy.metricsFrom=[{"namespaceSelector":{}}]',
    '--set-json=affinity={"nodeAffinity":{}}',
)
VARIANTS = {
    "defaults": (),
    "everything": EVERYTHING,
    "two namespaces": ("--set=watchNamespaces={vision,speech}",),
    "one replica": ("--set=replicas=1",),
    "bare": (
        "--set=crds.install=false,rbac.create=false,serviceAccount.create=false,serviceAccount.name=mine",
        "--set=podDisruptionBudget.enabled=false,metrics.service.enabled=false,networkPolicy.enabled=false",
    ),
}
MONITORING = {"PodMonitor", "PrometheusRule"}


def named(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in objects if item["kind"] == kind]


def one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = named(objects, kind)
    return found


def test_helm_lint_finds_nothing_wrong(helm: Helm) -> None:
    helm.must("lint", CHART, "--strict")


@pytest.mark.parametrize("flags", VARIANTS.values(), ids=VARIANTS)
def test_every_rendered_object_fits_the_schema_of_its_kind(
    helm: Helm, kubeconform: Callable[[str], subprocess.CompletedProcess[str]], flags: tuple[str, ...]
) -> None:
    objects = [item for item in helm.template(*flags) if item["kind"] not in MONITORING]
    done = kubeconform(yaml.safe_dump_all(objects))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Valid: {len(objects)}," in done.stdout
    assert "Skipped: 0" in done.stdout


def test_kubeconform_would_notice_a_misspelt_field(
    helm: Helm, kubeconform: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    deployment = one(helm.template(), "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = "Always"
    done = kubeconform(yaml.safe_dump(deployment))
    assert done.returncode != 0
    assert "imagePullPolicies" in done.stdout


def test_the_kinds_are_kept_at_uninstall_unless_that_is_given_up(helm: Helm) -> None:
    kept = named(helm.template(), "CustomResourceDefinition")
    assert [crd["metadata"]["annotations"] for crd in kept] == [{"helm.sh/resource-policy": "keep"}] * len(
        kept
    )
    given_up = named(helm.template("--set=crds.keep=false"), "CustomResourceDefinition")
    assert len(given_up) == len(kept) > 0
    assert all("annotations" not in crd["metadata"] for crd in given_up)


def test_no_object_of_the_chart_is_mistaken_for_a_child_of_a_run(helm: Helm) -> None:
    for item in helm.template(*EVERYTHING):
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_the_pods_satisfy_the_restricted_security_level(helm: Helm) -> None:
    spec = one(helm.template(), "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_digest_wins_over_the_tag_and_an_empty_tag_is_the_charts_version(helm: Helm) -> None:
    digest = "sha256:" + "a" * 64
    flags = f"--set=images.registry=r.example/x,images.operator.tag=v9,images.trainer.digest={digest}"
    (container,) = one(helm.template(flags), "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == "r.example/x/webssl/operator:v9"
    assert env["WEBSSL_TRAINER_IMAGE"] == f"r.example/x/webssl/trainer@{digest}"
    assert env["WEBSSL_EVAL_IMAGE"] == "r.example/x/webssl/eval:0.1.0"


def test_a_repository_may_name_its_registry_itself(helm: Helm) -> None:
    flags = "--set=images.registry=,images.operator.repository=r.example:5000/webssl/operator,images.operator.tag=v1"
    (container,) = one(helm.template(flags), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "r.example:5000/webssl/operator:v1"


def test_watched_namespaces_get_a_role_each_and_nothing_is_granted_elsewhere(helm: Helm) -> None:
    objects = helm.template("--set=watchNamespaces={vision,speech}", "--set=rbac.aggregateToUserRoles=false")
    assert named(objects, "ClusterRoleBinding") == []
    bound = {
        (item["metadata"]["namespace"], item["roleRef"]["name"]) for item in named(objects, "RoleBinding")
    }
    name = "webssl-webssl-operator"
    assert bound == {("vision", name), ("speech", name), (NAMESPACE, f"{name}-leader")}


def test_a_whole_cluster_gets_one_cluster_role(helm: Helm) -> None:
    objects = helm.template()
    assert one(objects, "ClusterRoleBinding")["roleRef"]["name"] == "webssl-webssl-operator"
    assert [item["metadata"]["namespace"] for item in named(objects, "RoleBinding")] == [NAMESPACE]


def test_a_single_replica_has_no_disruption_budget_that_would_block_drains(helm: Helm) -> None:
    assert named(helm.template("--set=replicas=1"), "PodDisruptionBudget") == []
    assert one(helm.template(), "PodDisruptionBudget")["spec"]["minAvailable"] == 1


def test_dashboards_become_config_maps_that_grafanas_sidecar_finds(helm: Helm) -> None:
    maps = named(helm.template("--set=dashboards.enabled=true"), "ConfigMap")
    files = {file.name: file.read_text().strip() for file in (CHART / "files/dashboards").glob("*.json")}
    assert {key: text for item in maps for key, text in item["data"].items()} == files
    assert all(item["metadata"]["labels"]["grafana_dashboard"] == "1" for item in maps)


def test_the_alerts_are_the_same_with_and_without_the_prometheus_operator(helm: Helm) -> None:
    rule = one(helm.template("--set=prometheusRule.enabled=true"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((CHART / "files/rules/webssl.rules.yaml").read_text())


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--set=replica=3", "additional properties 'replica' not allowed"),
        ("--set=replicas=0", "at '/replicas'"),
        ("--set=images.operator.tag=a b", "at '/images/operator/tag'"),
        ("--set=images.trainer.digest=sha256:1", "at '/images/trainer/digest'"),
        ("--set=watchNamespaces={Vision}", "at '/watchNamespaces/0'"),
        ("--set=logLevel=loud", "at '/logLevel'"),
        ("--set=podMonitor.interval=often", "at '/podMonitor/interval'"),
        ("--set=podDisruptionBudget.minAvailable=2", "lower it or raise replicas"),
        ("--set=health.port=9401", "metrics.port and health.port are both 9401: change one of them"),
        ("--set=serviceAccount.create=false", "name the ServiceAccount that the operator is to use"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(helm: Helm, flags: str, says: str) -> None:
    done = helm.run("template", "webssl", CHART, flags)
    assert done.returncode != 0
    assert says in done.stderr


def test_evaluation_pods_get_a_class_below_training_that_displaces_nothing(helm: Helm) -> None:
    def class_of(*flags: str) -> tuple[str, str]:
        """Name of the class that is made, and of the one that the operator is told."""
        objects = helm.template(*flags)
        made = named(objects, "PriorityClass")
        (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        told = {item["name"]: item.get("value") for item in container["env"]}
        return made[0]["metadata"]["name"] if made else "", told["WEBSSL_EVALUATION_PRIORITY_CLASS"]

    made = one(helm.template(), "PriorityClass")
    assert (made["value"], made["preemptionPolicy"], made["globalDefault"]) == (-1, "Never", False)
    assert class_of() == (made["metadata"]["name"],) * 2
    assert class_of("--set=evaluationPriority.name=low") == ("low", "low")
    assert class_of("--set=evaluationPriority.create=false,evaluationPriority.name=theirs") == ("", "theirs")
    assert class_of("--set=evaluationPriority.create=false") == ("", "")
