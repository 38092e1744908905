"""`webssl explain` on every kind; a path without a kind in front is a run's."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner
from webssl_api.kind import Kind
from webssl_api.kinds import KINDS
from webssl_cli.errors import CliError
from webssl_cli.main import make_app
from webssl_cli.manifest import fields

APP = make_app(with_cluster=False)


def explained(*path: str) -> str:
    result = CliRunner().invoke(APP, ["explain", *path])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("path", "first", "also"),
    [
        ("websslcuration", "websslcuration (object)", "spec*"),
        ("websslcuration.spec", "websslcuration.spec (object, required)", "scorers*"),
        (
            "WebSSLCuration.spec.scorers.text",
            "websslcuration.spec.scorers.text (object)",
            "lightShare",
        ),
        ("wsc.spec.ranges", "websslcuration.spec.ranges (integer, default 1)", "Parts that"),
        ("websslcurations.status.phase", "websslcuration.status.phase (one of ", "Scoring"),
        ("websslevaluation.spec.suites", "websslevaluation.spec.suites (list of object, required)", "knn"),
        ("wse.spec.suites.knn.k", "websslevaluation.spec.suites.knn.k (integer, default 20)", "vote"),
        ("WSE.spec.checkpoint.digest", "websslevaluation.spec.checkpoint.digest (string)", "digest"),
        ("websslrun", "websslrun (object)", "spec*"),
        ("websslrun.spec.workers.max", "spec.workers.max (integer, required)", "Most workers"),
        ("webssl.spec.workers.max", "spec.workers.max (integer, required)", "Most workers"),
        ("wsr.spec.workers.max", "spec.workers.max (integer, required)", "Most workers"),
        ("spec.workers.max", "spec.workers.max (integer, required)", "Most workers"),
    ],
)
def test_a_field_of_each_kind_is_explained(path: str, first: str, also: str) -> None:
    said = explained(path)
    assert said.startswith(first)
    assert also in said


def test_the_spec_of_a_run_is_explained_where_nothing_is_named() -> None:
    assert explained() == explained("spec") == explained("websslrun.spec")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_name_of_a_kind_that_kubectl_knows_is_known(kind: Kind) -> None:
    names = [kind.name, kind.plural, kind.singular, *kind.short_names]
    assert len({explained(f"{name}.spec") for name in names}) == 1


@pytest.mark.parametrize(
    ("path", "mend"),
    [
        ("spec.scorers.text", "write `webssl explain websslcuration.spec.scorers.text`"),
        ("spec.suites", "write `webssl explain websslevaluation.spec.suites`"),
        (
            "status.conditions.nothing",
            "begin with `webssl explain spec`",
        ),
        ("spec.worker.max", "did you mean workers?"),
        ("websslcuration.spec.scorer", "did you mean scorers?"),
        ("wse.scores", "begin with `webssl explain websslevaluation.spec`"),
        ("websslrun.spec.ranges", "begin with `webssl explain spec`"),
        ("deployment.spec", "begin with `webssl explain spec`"),
    ],
)
def test_a_field_that_is_not_there_is_told_where_to_look(path: str, mend: str) -> None:
    result = CliRunner().invoke(APP, ["explain", path])
    assert isinstance(result.exception, CliError)
    assert str(result.exception) == f"field {path!r} is unknown: {mend}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_field_of_each_spec_has_a_sentence(kind: Kind) -> None:
    for field in fields.fields_below(("spec",), kind.name):
        found = fields.explain(f"{kind.name}.spec.{field}")
        assert found is not None
        assert found.description
