"""Settings from the environment and flags; wrong ones name the mend."""

from __future__ import annotations

import pytest
from webssl_operator import logs
from webssl_operator.__main__ import parse
from webssl_operator.rbac import OWN, RUNS, rules
from webssl_operator.settings import Settings, from_environment


def test_without_a_word_it_looks_after_every_namespace_and_elects_a_leader() -> None:
    settings = from_environment({})
    assert settings.namespaces == ()
    assert settings.leader_election
    assert (settings.metrics_port, settings.health_port) == (9401, 8080)


def test_the_chart_tells_images_ports_and_namespaces() -> None:
    settings = from_environment(
        {
            "WEBSSL_TRAINER_IMAGE": "r/trainer:1",
            "WEBSSL_EVAL_IMAGE": "r/eval:1",
            "WEBSSL_WATCH_NAMESPACES": "team-a, team-b",
            "WEBSSL_METRICS_PORT": "9999",
            "POD_NAME": "op-1",
            "POD_NAMESPACE": "webssl",
        }
    )
    assert (settings.images.trainer, settings.images.evaluation) == ("r/trainer:1", "r/eval:1")
    assert settings.namespaces == ("team-a", "team-b")
    assert (settings.metrics_port, settings.identity, settings.own_namespace) == (9999, "op-1", "webssl")


def test_a_wrong_number_names_the_variable_and_the_mend() -> None:
    with pytest.raises(ValueError, match="WEBSSL_RESYNC_SECONDS is 'soon', not a number: write it like 600"):
        from_environment({"WEBSSL_RESYNC_SECONDS": "soon"})


def test_flags_win_over_the_environment() -> None:
    settings = parse(["--namespace", "x", "--no-leader-election", "--metrics-port", "0"], Settings())
    assert (settings.namespaces, settings.leader_election, settings.metrics_port) == (("x",), False, 0)


def test_an_unknown_log_level_is_named() -> None:
    with pytest.raises(ValueError, match="log level 'loud' is not one of"):
        logs.set_up("loud")


def test_no_rule_grants_everything_and_secrets_are_never_read() -> None:
    for rule in (*RUNS, *OWN):
        assert "*" not in (*rule.resources, *rule.verbs, rule.group)
        assert "secrets" not in rule.resources
        assert rule.why
    assert rules("own") == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
