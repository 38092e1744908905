"""promtool accepts the alert rules, and they fire when they should and only then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_localcluster.tools.install import Toolbox

from tests.contract.chart.programs import CHART

RULES = CHART / "files" / "rules" / "webssl.rules.yaml"
CASES = Path(__file__).parent / "alerts.test.yaml"
Promtool = Callable[..., str]


@pytest.fixture(scope="module")
def promtool(tools: Toolbox) -> Promtool:
    tools.system()

    def run(*words: str | Path) -> str:
        argv = [str(tools.path("promtool")), *(str(word) for word in words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def _alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_promtool_accepts_the_rules(promtool: Promtool) -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)


def test_every_alert_fires_when_it_should_and_only_then(promtool: Promtool, tmp_path: Path) -> None:
    cases = yaml.safe_load(CASES.read_text())
    rules = _alerts()
    for case in cases["tests"]:
        for check in case["alert_rule_test"]:
            for expected in check["exp_alerts"]:
                # promtool compares all annotations; the cases state only the summary, where it is worth stating.
                stated = expected.get("exp_annotations", {})
                expected["exp_annotations"] = rules[check["alertname"]]["annotations"] | stated
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump(cases | {"rule_files": [str(RULES)]}))
    promtool("test", "rules", file)


def test_there_is_a_case_in_which_each_alert_fires() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    fired = {check["alertname"] for case in cases for check in case["alert_rule_test"] if check["exp_alerts"]}
    assert fired == set(_alerts())
