"""The generated files of the chart are fresh, and ask only for metrics that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_chart.alerts import OPERATOR_ALERTS, RUN_ALERTS
from webssl_chart.boards import BOARDS
from webssl_chart.generate import between, generated
from webssl_chart.metrics import names_in, operator_series, trainer_series
from webssl_chart.panels import Board, Panel, Query, Row, Show
from webssl_chart.queries import all_panels, dashboard_queries
from webssl_chart.render import to_json
from webssl_operator import rbac

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "webssl-operator"
KNOWN = operator_series() | trainer_series()
VARIABLES = {"namespace": "default", "run": "demo"}


def test_every_generated_file_is_fresh() -> None:
    stale = [str(path) for path, text in generated(ROOT).items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `make generate`"


def test_no_dashboard_is_left_that_is_no_longer_made() -> None:
    made = {f"{board.uid}.json" for board in BOARDS}
    assert {file.name for file in (CHART / "files/dashboards").iterdir()} == made


def test_every_metric_of_every_query_is_in_the_operators_or_the_trainers_table() -> None:
    queries = dashboard_queries(CHART / "files/dashboards", VARIABLES)
    assert len(queries) > 40
    unknown = {str(query): names_in(query.expr) - KNOWN for query in queries if names_in(query.expr) - KNOWN}
    assert unknown == {}


def test_every_metric_of_every_alert_is_in_the_tables() -> None:
    unknown = {alert.name: names_in(alert.expr) - KNOWN for alert in (*RUN_ALERTS, *OPERATOR_ALERTS)}
    assert {name: missing for name, missing in unknown.items() if missing} == {}


def test_a_label_is_not_mistaken_for_a_metric() -> None:
    assert names_in('rate(webssl_trainer_loss{webssl_dev_run="a"}[1m])') == {"webssl_trainer_loss"}


def test_every_metric_of_the_variables_is_in_the_tables() -> None:
    for board in BOARDS:
        for variable in board.variables:
            assert names_in(variable.query) <= KNOWN


@pytest.mark.parametrize(
    "panel", [panel for board in BOARDS for panel in board.panels], ids=lambda panel: panel.title
)
def test_every_panel_says_what_it_shows_and_in_which_unit(panel: Panel) -> None:
    assert len(panel.description) > 8
    assert panel.description.endswith(".")
    assert panel.unit
    assert all(query.legend for query in panel.queries) or panel.show is Show.NUMBER


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_the_panels_fill_the_grid_without_overlap(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in all_panels(json.loads(to_json(board))):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_ids_are_unique_and_every_query_goes_to_the_chosen_data_source(board: Board) -> None:
    content: dict[str, Any] = json.loads(to_json(board))
    panels = list(all_panels(content))
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))
    assert content["uid"] == board.uid
    for panel in panels:
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_a_table_names_its_columns_after_its_queries() -> None:
    queries = (Query("a", "first"), Query("b", "second"))
    panel = Panel("t", "A table.", "short", queries, Show.TABLE, key=("run",))
    content = json.loads(to_json(Board("u", "t", "d", (Row("r", (panel,)),))))
    (table,) = all_panels(content)
    organize = table["transformations"][1]["options"]
    assert organize["renameByName"] == {"Value #A": "first", "Value #B": "second"}
    assert organize["indexByName"] == {"run": 0, "Value #A": 1, "Value #B": 2}


def test_the_charts_rules_are_the_operators_table() -> None:
    written = yaml.safe_load((CHART / "files/rbac/operator.yaml").read_text())
    assert written == {part: rbac.rules(part) for part in ("runs", "own")}


def test_no_rule_of_the_table_grants_everything_or_secrets() -> None:
    for rule in (*rbac.RUNS, *rbac.OWN):
        assert "*" not in (rule.group, *rule.resources, *rule.verbs)
        assert "secrets" not in rule.resources
        assert rule.why


def test_text_around_a_generated_table_stays() -> None:
    text = "a\n<!-- x: begin, written by `make generate` -->\nold\n<!-- x: end -->\nb\n"
    assert between(text, "x", "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="put them back"):
        between("a", "x", "new")
