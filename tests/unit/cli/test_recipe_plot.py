"""`webssl recipe plot`: every schedule of a recipe, as the trainer computes it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from webssl_cli.main import make_app
from webssl_cli.recipes.axis import steps_text, ticks, value_text
from webssl_cli.recipes.compose import NOTHING, compose
from webssl_cli.recipes.curves import schedules_of
from webssl_cli.recipes.settings import read_setting

ROOT = Path(__file__).parents[3]
APP = make_app(with_cluster=False)


def webssl(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


@pytest.mark.parametrize("name", ["demo", "web-dino-7b-518", "web-mae-300m", "metaclip-1b"])
def test_plot_draws_one_panel_for_each_schedule(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "out.svg"
    result = webssl("recipe", "plot", name, str(picture))
    assert result.exit_code == 0, result.output
    root = ET.fromstring(picture.read_text())
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    dino = name == "demo" or name.startswith("web-dino")
    assert len(lines) == (5 if dino else 2)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        assert all(left[0] <= right[0] for left, right in pairwise(points))


def test_the_curves_are_those_of_the_composed_manifest() -> None:
    recipe = schedules_of(compose("web-dino-1b", NOTHING, [read_setting("optimizer.learningRate=1e-3")]))
    rate, decay, momentum, temperature, last_layer = recipe.curves
    assert rate.value(99_999) == pytest.approx(1e-3)
    assert (decay.value(0), decay.value(651_042)) == pytest.approx((0.04, 0.2))
    assert momentum.value(651_042) == 1.0
    assert temperature.value(39_062) == 0.07
    assert last_layer.value(1301) == 0 < last_layer.value(1302)


def test_a_picture_of_another_kind_is_refused_with_the_mend() -> None:
    result = webssl("recipe", "plot", "demo", "out.png")
    assert str(result.exception) == "picture out.png: only SVG is drawn: write out.svg"


def test_the_picture_in_the_documentation_is_the_one_that_is_drawn_now(tmp_path: Path) -> None:
    webssl("recipe", "plot", "web-dino-1b", str(tmp_path / "now.svg"))
    stored = (ROOT / "docs" / "images" / "web-dino-1b.svg").read_text()
    assert stored == (tmp_path / "now.svg").read_text(), (
        "webssl recipe plot web-dino-1b docs/images/web-dino-1b.svg"
    )


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_ticks_are_few_lie_on_the_axis_and_are_evenly_spaced(low: float, span: float) -> None:
    high = low + span
    if high - low < 1e-6 * max(abs(low), abs(high)):
        return
    found = ticks(low, high)
    slack = 1e-6 * (high - low)
    assert 1 <= len(found) <= 5
    assert all(low - slack <= tick <= high + slack for tick in found)


def test_numbers_on_axes_are_short() -> None:
    assert [value_text(value) for value in (0.0, 3.5e-4, 1e-6, 1.5e-3, 0.994, 0.2, 1.0)] == [
        "0",
        "3.5e-4",
        "1e-6",
        "1.5e-3",
        "0.994",
        "0.2",
        "1",
    ]
    assert [steps_text(step) for step in (0, 400, 100_000, 1_250_000)] == ["0", "400", "100k", "1.25M"]
