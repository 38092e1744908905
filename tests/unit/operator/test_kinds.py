"""Every kind of the API is looked after, watched and allowed, and nothing but its own entries says so."""

from __future__ import annotations

import pytest
from webssl_api.kind import GROUP, Kind
from webssl_api.kinds import KINDS
from webssl_operator.cluster.api import PLURALS
from webssl_operator.cluster.kinds import KINDS as WATCHED
from webssl_operator.cluster.kinds import OWN_KINDS
from webssl_operator.kinds.registry import BY_NAME
from webssl_operator.observe.belonging import Key, belongs_to, owner_uid
from webssl_operator.rbac import RUNS

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run

VALID = {raw["kind"]: raw for raw in (valid_run(), valid_curation(), valid_evaluation())}


def test_the_operator_looks_after_every_kind_of_the_api() -> None:
    assert set(BY_NAME) == {kind.name for kind in KINDS} == {kind.kind for kind in OWN_KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_rights_urls_and_labels_follow_from_the_kind(kind: Kind) -> None:
    granted = {(rule.group, part): rule.verbs for rule in RUNS for part in rule.resources}
    assert granted[GROUP, kind.plural] == ("list", "watch")
    assert granted[GROUP, f"{kind.plural}/status"] == ("patch",)
    assert PLURALS[kind.name] == kind.plural
    assert belongs_to({kind.label: "x"}) == ("x", kind.name)
    assert owner_uid({"ownerReferences": [{"kind": kind.name, "uid": "u"}]}) == "u"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_view_knows_its_key_and_renews_itself(kind: Kind) -> None:
    raw = VALID[kind.name]
    raw["metadata"] |= {"uid": "u", "resourceVersion": "5", "generation": 1}
    view = BY_NAME[kind.name].view(raw)
    name = raw["metadata"]["name"]
    assert Key(view.namespace, view.owner_name, view.owner_kind) == Key("default", name, kind.name)
    raw["metadata"]["resourceVersion"] = "6"
    assert view.renewed(raw).sequence == 6


def test_labels_of_kinds_and_their_short_names_are_different() -> None:
    assert len({kind.label for kind in KINDS}) == len(KINDS)
    short = [name for kind in KINDS for name in (*kind.short_names, kind.singular, kind.plural)]
    assert len(set(short)) == len(short)


def test_only_runs_must_be_served() -> None:
    assert [kind.kind for kind in OWN_KINDS if not kind.optional] == ["WebSSLRun"]


def test_there_is_one_watch_of_each_kind_of_child_for_all_of_them() -> None:
    children = [kind.kind for kind in WATCHED if kind not in OWN_KINDS]
    assert sorted(children) == ["ConfigMap", "Job", "Pod", "RayJob"]
