"""Board -> Grafana's dashboard JSON, by the Grafana Foundation SDK."""

from __future__ import annotations

import json
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from webssl_chart.panels import Board, Panel, Show, Variable

DATASOURCE = "datasource"
PANEL_HEIGHT = {Show.NUMBER: 4, Show.TABLE: 10, Show.BARS: 8, Show.LINES: 8, Show.STACKED: 8}


def _source() -> Any:
    return model.DataSourceRef(type_val="prometheus", uid="${" + DATASOURCE + "}")


def to_json(board: Board) -> str:
    """The dashboard's JSON text, stable for equal boards and ending in a newline."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dashboard.DashboardLink("Web-SSL dashboards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(list(board.tags))
            .include_vars(True)
            .keep_time(True)
            .as_dropdown(True)
        )
        .with_variable(
            dashboard.DatasourceVariable(DATASOURCE).id(DATASOURCE).label("Data source").type("prometheus")
        )
    )
    for variable in board.variables:
        builder = builder.with_variable(_variable(variable))
    number = 1
    for row in board.rows:
        builder = builder.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            builder = builder.with_panel(_panel(panel).id(number))
        number += 1
    return json.dumps(builder.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _variable(variable: Variable) -> Any:
    built = (
        dashboard.QueryVariable(variable.name)
        .id(variable.name)
        .label(variable.label)
        .query(variable.query)
        .datasource(_source())
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.several:
        everything = model.VariableOption(selected=True, text=["All"], value=["$__all"])
        built = built.multi(True).include_all(True).all_value(".+").current(everything)
    return built


def _panel(panel: Panel) -> Any:
    built = _shape(panel)
    built = (
        built.title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(_source())
        .span(panel.width)
        .height(PANEL_HEIGHT[panel.show])
    )
    if panel.decimals is not None:
        built = built.decimals(panel.decimals)
    if panel.maximum is not None:
        built = built.min(0).max(panel.maximum)
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(_source())
        if panel.show in (Show.LINES, Show.STACKED):
            target = target.range().legend_format(query.legend)
        elif panel.show is Show.TABLE:
            target = target.instant().format(PromQueryFormat.TABLE)
        else:
            target = target.instant().legend_format(query.legend)
        built = built.with_target(target)
    return built


def _shape(panel: Panel) -> Any:
    if panel.show is Show.NUMBER:
        return stat.Panel().graph_mode(looks.BigValueGraphMode.NONE).reduce_options(_latest())
    if panel.show is Show.BARS:
        return (
            bargauge.Panel()
            .orientation(looks.VizOrientation.HORIZONTAL)
            .display_mode(looks.BarGaugeDisplayMode.GRADIENT)
            .reduce_options(_latest())
        )
    if panel.show is Show.TABLE:
        return _table(panel)
    lines = timeseries.Panel().legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
    )
    if panel.show is Show.STACKED:
        lines = lines.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL)).fill_opacity(40)
    return lines


def _table(panel: Panel) -> Any:
    """All queries side by side, one row for each value of the key labels."""
    columns = {"Value": panel.queries[0].legend} if len(panel.queries) == 1 else {}
    columns |= {
        f"Value #{letter}": q.legend for letter, q in zip(ascii_uppercase, panel.queries, strict=False)
    }
    order = {name: place for place, name in enumerate((*panel.key, *columns))}
    return (
        table.Panel()
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": columns},
            )
        )
    )


def _latest() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
