"""From a manifest to its children: what is made, that making it again changes nothing, and that it goes with the run."""

from __future__ import annotations

from typing import Any

from kubernetes import client
from webssl_api import labels
from webssl_api.resolved import RUN_KEY, ResolvedRun
from webssl_api.status import Phase

from tests.contract.operator.lab import Lab


def _children(lab: Lab, name: str) -> dict[str, Any]:
    """All children but pods, by kind and name."""
    selector, ns = f"{labels.RUN}={name}", lab.namespace
    rbac, policy = client.RbacAuthorizationV1Api(lab.kube), client.PolicyV1Api(lab.kube)
    lists = {
        "Job": lab.batch.list_namespaced_job,
        "ConfigMap": lab.core.list_namespaced_config_map,
        "Service": lab.core.list_namespaced_service,
        "ServiceAccount": lab.core.list_namespaced_service_account,
        "Role": rbac.list_namespaced_role,
        "RoleBinding": rbac.list_namespaced_role_binding,
        "PodDisruptionBudget": policy.list_namespaced_pod_disruption_budget,
    }
    return {
        f"{kind}/{item.metadata.name}": item
        for kind, listing in lists.items()
        for item in listing(ns, label_selector=selector).items
    }


EXPECTED = {
    "Job/r",
    "ConfigMap/r-run",
    "ConfigMap/r-rendezvous",
    "ConfigMap/r-progress",
    "ConfigMap/r-eval-knn",
    "ConfigMap/r-eval-vqa",
    "Service/r",
    "ServiceAccount/r-pods",
    "Role/r-pods",
    "RoleBinding/r-pods",
}


def test_a_run_gets_its_children_and_every_one_is_owned_by_it(lab: Lab) -> None:
    lab.apply("r", suites=True)
    children = lab.until("children", lambda: _children(lab, "r"), lambda seen: seen.keys() == EXPECTED)
    uid = lab.run("r")["metadata"]["uid"]
    for child in children.values():
        (owner,) = child.metadata.owner_references
        assert (owner.kind, owner.uid, owner.controller) == ("WebSSLRun", uid, True)
    job = children["Job/r"].spec
    assert (job.parallelism, job.completions, job.completion_mode) == (2, 2, "Indexed")
    assert job.template.spec.containers[0].image == "example/trainer:1"
    assert children["Service/r"].spec.cluster_ip == "None"
    assert children["Service/r"].spec.publish_not_ready_addresses
    assert children["ConfigMap/r-rendezvous"].data == {"workers": "2"}
    assert ResolvedRun.from_yaml(children["ConfigMap/r-run"].data[RUN_KEY]).uid == uid
    assert lab.until("event", lambda: lab.reasons("r"), lambda seen: "Created" in seen)


def test_running_workers_are_guarded_by_a_disruption_budget_of_all_but_one(lab: Lab) -> None:
    lab.apply("r")
    lab.until_status("r", "status", lambda status: status.phase is Phase.PENDING)
    assert "PodDisruptionBudget/r" not in _children(lab, "r")
    lab.start("r")
    children = lab.until("budget", lambda: _children(lab, "r"), lambda seen: "PodDisruptionBudget/r" in seen)
    assert children["PodDisruptionBudget/r"].spec.min_available == 1


def test_a_pass_over_what_is_there_changes_nothing(lab: Lab, operator: Any) -> None:
    lab.apply("r", suites=True)
    lab.until("children", lambda: _children(lab, "r"), lambda seen: seen.keys() == EXPECTED)
    lab.until("rest", operator.rests, bool)

    def versions() -> dict[str, str]:
        # The Job is written to by its own controller; what others write does not count here.
        return {
            key: child.metadata.resource_version
            for key, child in _children(lab, "r").items()
            if key != "Job/r"
        }

    # A field whose change makes the operator apply everything anew, but which no child but run.yaml shows. The first apply of what a
    # POST has made notes the operator as its applier; from then on an apply writes nothing.
    lab.patch("r", {"restartPolicy": {"maxRestarts": 6}})
    lab.until_status("r", "pass", lambda status: status.observed_generation == 2)
    before, generation = versions(), lab.job("r").metadata.generation
    lab.patch("r", {"restartPolicy": {"maxRestarts": 7}})
    lab.until_status("r", "pass", lambda status: status.observed_generation == 3)
    after = versions()
    assert {key for key in before if before[key] != after[key]} == {"ConfigMap/r-run"}
    assert lab.job("r").metadata.generation == generation


def test_others_fields_in_a_child_stay(lab: Lab) -> None:
    lab.apply("r")
    lab.until("children", lambda: _children(lab, "r"), lambda seen: "Job/r" in seen)
    body = {"data": {"state": "the agents' own", "beat.r-0": "1"}}
    lab.core.patch_namespaced_config_map("r-rendezvous", lab.namespace, body, field_manager="webssl-trainer")
    lab.patch("r", {"workers": {"max": 4}})
    data = lab.until(
        "new number", lambda: lab.config_map("r-rendezvous").data, lambda seen: seen["workers"] == "4"
    )
    assert data == {"workers": "4", **body["data"]}


def test_a_deleted_report_is_made_again(lab: Lab) -> None:
    lab.apply("r")
    before = lab.until("report", lambda: lab.config_map("r-progress"), lambda _: True).metadata.uid
    lab.until_status("r", "status", lambda status: status.phase is Phase.PENDING)
    lab.core.delete_namespaced_config_map("r-progress", lab.namespace)
    lab.until("report", lambda: lab.config_map("r-progress").metadata.uid, lambda uid: uid != before)


def test_children_go_with_their_run(lab: Lab) -> None:
    lab.apply("r", suites=True)
    lab.until("children", lambda: _children(lab, "r"), lambda seen: seen.keys() == EXPECTED)
    lab.delete("r")
    lab.until("children gone", lambda: _children(lab, "r"), lambda seen: not seen)


def test_a_run_that_is_created_again_at_once_does_not_inherit_the_report_of_its_namesake(lab: Lab) -> None:
    lab.apply("r")
    lab.until("report", lambda: lab.config_map("r-progress"), lambda _: True)
    lab.core.patch_namespaced_config_map("r-rendezvous", lab.namespace, {"data": {"state": "old"}})
    lab.delete("r")
    lab.apply("r")
    uid = lab.run("r")["metadata"]["uid"]
    lab.until(
        "Job of the new run", lambda: lab.job("r").metadata.owner_references[0].uid, lambda seen: seen == uid
    )
    assert lab.config_map("r-rendezvous").data == {"workers": "2"}
