"""The paper's table from its own parts."""

from __future__ import annotations

import pytest
from webssl_eval.benchmarks.averages import averages
from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.benchmarks.registry import BENCHMARKS

from tests.unit.eval.benchmarks.tables.paper import CATEGORIES, ROWS

COLUMNS = "MME_P MMB SEED_I GQA SQA_I MMMU_V MathVista AI2D ChartQA OCRBench TextVQA DocVQA MMVP RealWorldQA CVB2D CVB3D"


def scores(name: str) -> dict[str, float]:
    return dict(zip((benchmark.name for benchmark in BENCHMARKS), ROWS[name][1:], strict=True))


def test_the_registry_holds_the_papers_columns_in_their_order_four_to_a_category() -> None:
    assert " ".join(benchmark.column for benchmark in BENCHMARKS) == COLUMNS
    assert [benchmark.category for benchmark in BENCHMARKS] == [
        category for category in Category for _ in range(4)
    ]


@pytest.mark.parametrize("name", ROWS)
def test_a_rows_average_is_the_mean_of_its_category_means(name: str) -> None:
    found = averages(scores(name), BENCHMARKS)
    assert found.total.value == pytest.approx(ROWS[name][0], abs=0.01)
    assert not found.total.partial


@pytest.mark.parametrize("name", CATEGORIES)
def test_category_means_are_those_of_the_paper(name: str) -> None:
    found = averages(scores(name), BENCHMARKS).categories
    # printed to one decimal, so half of one is the most that rounding may take, and 0.01 for that of the parts
    printed = [mean.value for mean in found.values()]
    assert printed == [pytest.approx(value, abs=0.06) for value in CATEGORIES[name]]


def test_a_category_mean_is_the_plain_mean_of_its_four_with_mme_p_over_20() -> None:
    # 1731.52 / 20 = 86.576; (86.576 + 65.37 + 69.92 + 62.40) / 4 = 71.0665
    found = averages(scores("DINO-1B"), BENCHMARKS)
    assert found.categories[Category.GENERAL].value == pytest.approx(71.0665)
    # (72.58 + 35.33 + 12.30 + 64.28) / 4 = 46.1225
    assert found.categories[Category.KNOWLEDGE].value == pytest.approx(46.1225)


def test_a_mean_without_one_of_its_benchmarks_is_labelled_partial_and_says_which() -> None:
    values = scores("DINO-1B")
    del values["docvqa"]
    found = averages(values, BENCHMARKS)
    chart = found.categories[Category.OCR_CHART]
    assert (chart.partial, chart.counted, chart.declared) == (True, 3, 4)
    assert chart.label == "partial: 3 of 4 benchmarks, without DocVQA"
    assert chart.value == pytest.approx((19.2 + 9.4 + 47.41) / 3)
    assert found.total.label == "partial: 15 of 16 benchmarks, without DocVQA"
    assert not found.categories[Category.GENERAL].partial


def test_a_mean_of_nothing_is_no_number() -> None:
    found = averages({"gqa": 60.0}, BENCHMARKS)
    assert found.categories[Category.KNOWLEDGE].value is None
    assert found.total.value == pytest.approx(60.0)
    assert found.total.label == "partial: 1 of 16 benchmarks"
    assert averages({}, BENCHMARKS).total.value is None


def test_a_mean_over_a_score_of_some_questions_is_labelled_partial() -> None:
    found = averages(scores("MAE-1B"), BENCHMARKS, incomplete=["gqa"])
    assert found.categories[Category.GENERAL].label == "partial: a part of the questions of GQA"
    assert found.total.partial
    assert not found.categories[Category.VISION_CENTRIC].partial
