"""Recipes: the published settings, layered as data, and each a whole run once it is told where to run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_api import WebSSLRun
from webssl_api.defaults import with_defaults
from webssl_api.objective_clip import ClipSpec
from webssl_api.objective_dino import DinoSpec
from webssl_api.objective_mae import MaeSpec
from webssl_api.recipe import SECTIONS, Layer, RecipeError, leaves, load, merged, names, origin_of
from webssl_api.schedule import OptimizerSpec, ScheduleSpec

ROOT = Path(__file__).parents[3]
OBJECTIVES = {"dino": DinoSpec, "mae": MaeSpec, "clip": ClipSpec}


def spec_of(name: str) -> dict[str, Any]:
    return load(name).spec


def placed(name: str, workers: int, processes: int) -> dict[str, Any]:
    """The recipe as a manifest of a run on up to so many workers."""
    spec = spec_of(name)
    return {
        "apiVersion": "webssl.dev/v1alpha1",
        "kind": "WebSSLRun",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "data": {"source": "s3://mc2b/shards/{000000..099999}.tar"},
            "workers": {"min": 1, "max": workers, "processesPerWorker": processes},
            "checkpoint": {
                "uri": f"s3://runs/{name}",
                "interval": {"samples": 2000 * spec["schedule"]["globalBatchSize"]},
            },
        },
    }


def test_every_objective_and_size_of_the_paper_has_a_recipe() -> None:
    dino = {f"web-dino-{size}" for size in ("300m", "1b", "2b", "3b", "5b", "7b")}
    more = {f"web-dino-7b-{what}" for what in ("1b-samples", "4b-samples", "8b-samples", "378", "518")}
    mae = {f"web-mae-{size}" for size in ("300m", "700m", "1b", "2b", "3b", "5b")}
    clip = {f"metaclip-{size}" for size in ("300m", "1b", "2b", "3b", "5b", "7b")}
    assert set(names()) == dino | more | mae | clip | {"demo"}


@pytest.mark.parametrize("name", names())
def test_a_recipe_sets_what_the_weights_depend_on_and_nothing_else(name: str) -> None:
    assert tuple(spec_of(name)) == SECTIONS


@pytest.mark.parametrize("name", names())
def test_the_values_of_a_recipe_have_the_types_of_the_api(name: str) -> None:
    spec = spec_of(name)
    (kind, objective), *others = spec["objective"].items()
    assert not others
    OBJECTIVES[kind].model_validate_json(json.dumps(objective), strict=True, by_name=False)
    OptimizerSpec.model_validate_json(json.dumps(spec["optimizer"]), strict=True, by_name=False)
    schedule = ScheduleSpec.model_validate_json(json.dumps(spec["schedule"]), strict=True, by_name=False)
    assert all(stage.resolution % spec["model"]["patchSize"] == 0 for stage in schedule.stages)


@pytest.mark.parametrize("name", names())
def test_every_value_of_a_recipe_says_where_it_comes_from(name: str) -> None:
    recipe = load(name)
    origins = {path: origin_of(path, recipe.layers) for path in leaves(recipe.spec)}
    assert [path for path, origin in origins.items() if origin is None or not origin.source] == []


@pytest.mark.parametrize("name", names())
def test_a_recipe_leaves_no_value_to_a_default_that_may_change(name: str) -> None:
    assert with_defaults(spec_of(name)) == spec_of(name)


def test_the_high_resolution_runs_need_the_weights_of_the_run_before_them_and_no_other_recipe_needs_any() -> (
    None
):
    needed = {name: tuple(load(name).needs) for name in names() if load(name).needs}
    field = "model.startFrom.checkpoint"
    assert needed == {"web-dino-7b-378": (field,), "web-dino-7b-518": (field,)}
    for name in needed:
        assert tuple(load(name).lacking(spec_of(name))) == (field,)
        given = merged([spec_of(name), {"model": {"startFrom": {"checkpoint": "s3://runs/web-dino-7b-8b"}}}])
        assert load(name).lacking(given) == {}
        before = spec_of("web-dino-7b-8b-samples")
        assert (given["model"]["size"], given["objective"]) == (before["model"]["size"], before["objective"])


@pytest.mark.parametrize("name", names())
def test_a_recipe_with_a_place_is_a_valid_run_on_machines_of_eight_gpus(name: str) -> None:
    processes = 1 if name == "demo" else 8
    run = WebSSLRun.model_validate_json(json.dumps(placed(name, 4, processes)), strict=True, by_name=False)
    assert run.spec.allowed_worker_counts()[:2] == [1, 2]
    assert run.spec.allowed_worker_counts()[-1] == 4


# batch, peak rate, warm-up steps, all steps: the paper, as far as it says.
PUBLISHED = {
    "web-dino-": (3072, 3.5e-4, 100_000, 651_042),
    "web-mae-": (4096, 1.6e-3, 80_000, 488_281),
    "metaclip-": (32768, 4e-4, 2_000, 61_035),
}
OTHER_LENGTHS = {
    "web-dino-7b-1b-samples": (3072, 3.5e-4, 50_000, 325_521),
    "web-dino-7b-4b-samples": (3072, 3.5e-4, 200_000, 1_302_084),
    "web-dino-7b-8b-samples": (3072, 3.5e-4, 400_000, 2_604_167),
    "web-dino-7b-378": (2048, 1.41e-5, 1_536, 10_000),
    "web-dino-7b-518": (2048, 1.41e-5, 1_536, 10_000),
    "demo": (32, 5e-4, 61, 400),
}


@pytest.mark.parametrize("name", names())
def test_batch_rate_warm_up_and_length_are_the_published_ones(name: str) -> None:
    family = next((row for prefix, row in PUBLISHED.items() if name.startswith(prefix)), None)
    spec = spec_of(name)
    schedule = ScheduleSpec.model_validate(spec["schedule"])
    optimizer = OptimizerSpec.model_validate(spec["optimizer"])
    assert (
        schedule.global_batch_size,
        optimizer.learning_rate,
        round(optimizer.warmup_fraction * schedule.total_steps),
        schedule.total_steps,
    ) == OTHER_LENGTHS.get(name, family)


def test_the_rates_of_web_dino_follow_the_square_root_rule_of_dinov2() -> None:
    for name, base in (("web-dino-1b", 2e-4), ("web-dino-7b-378", 1e-5), ("web-dino-7b-518", 1e-5)):
        spec = spec_of(name)
        rule = base * math.sqrt(spec["schedule"]["globalBatchSize"] / 1024)
        assert spec["optimizer"]["learningRate"] == pytest.approx(rule, rel=0.011), "rounded in the paper"


def test_the_rate_of_web_mae_is_two_thirds_of_what_the_linear_rule_of_mae_gives() -> None:
    spec = spec_of("web-mae-1b")
    rule = 1.5e-4 * spec["schedule"]["globalBatchSize"] / 256
    assert rule == pytest.approx(2.4e-3)
    assert spec["optimizer"]["learningRate"] == pytest.approx(rule * 2 / 3)


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("web-dino") or name == "demo"])
def test_local_crops_keep_the_share_of_dinov2(name: str) -> None:
    spec = spec_of(name)
    for stage in ScheduleSpec.model_validate(spec["schedule"]).stages:
        unset = stage.model_copy(update={"local_resolution": None})
        assert stage.local_resolution == unset.local_side(spec["model"]["patchSize"])


def test_an_unknown_recipe_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="recipe 'web-dino-1c' is unknown: did you mean web-dino-1b"):
        load("web-dino-1c")
    with pytest.raises(RecipeError, match="recipe '17' is unknown: see `webssl recipe list`"):
        load("17")


@pytest.mark.parametrize("name", ["base/web-dino", "../recipe", ""])
def test_bases_and_paths_are_no_recipes(name: str) -> None:
    with pytest.raises(RecipeError, match="is unknown"):
        load(name)


# The examples of RFC 7386, appendix A, that begin with an object.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_layer_is_a_json_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merged([target, patch]) == result


VALUES = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SPECS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(st.lists(SPECS, min_size=1, max_size=4))
def test_the_origin_of_a_value_is_a_layer_that_holds_it(specs: list[dict[str, Any]]) -> None:
    layers = [Layer(str(number), spec, {}) for number, spec in enumerate(specs)]
    result = merged(specs)
    for path in leaves(result):
        if not path:
            continue
        origin = origin_of(path, layers)
        assert origin is not None
        there, here = specs[int(origin.layer)], result
        for part in path:
            there, here = there[part], here[part]
        assert there == here or (isinstance(here, dict) and isinstance(there, dict))


def test_a_layer_on_top_may_give_another_reason_for_a_value_that_it_leaves() -> None:
    below = Layer("below", {"a": {"b": 1, "c": 2}}, {"a": "book", "a.b": "page 1"})
    above = Layer("above", {}, {"a.b": "page 9", "a": "not of the very field"})
    origins = [origin_of(("a", key), [below, above]) for key in ("b", "c")]
    assert [(origin.layer, origin.source) for origin in origins if origin] == [
        ("below", "page 9"),
        ("below", "book"),
    ]


def test_defaults_are_those_that_the_api_itself_fills_in() -> None:
    manifest = placed("demo", 2, 1)
    filled = with_defaults(manifest["spec"])
    parsed = WebSSLRun.parse(manifest).spec.to_dict()
    assert {name: parsed[name] for name in filled} == filled


def test_the_installed_package_carries_its_recipes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "crds", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"webssl_api/recipes/{name}.yaml" for name in names()} <= packed
    assert {f"webssl_api/recipes/base/{base}.yaml" for base in ("web-dino", "web-mae", "metaclip")} <= packed


def test_the_folder_at_the_top_is_the_folder_in_the_package() -> None:
    assert (ROOT / "recipes").resolve() == ROOT / "crds" / "webssl_api" / "recipes"
