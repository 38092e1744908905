"""`webssl demo`: the whole line once, with a worker killed on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Kubeconfig
from webssl_cli.console import err, out
from webssl_cli.errors import EXIT_FAILED

if TYPE_CHECKING:
    from webssl_cli.demo.place import Place
    from webssl_cli.demo.story import Told

_EXISTING = "With --context"
_IMAGE = "image that the cluster's nodes can pull."


def demo(
    context: Annotated[
        str | None,
        typer.Option(help="Use this cluster of yours instead of a local one.", envvar="WEBSSL_CONTEXT"),
    ] = None,
    kubeconfig: Kubeconfig = None,
    keep: Annotated[
        bool, typer.Option("--keep/--down", help="Leave the cluster up at the end, or take it down.")
    ] = True,
    name: Annotated[str, typer.Option(help="Name of the local cluster.")] = "default",
    s3_endpoint: Annotated[
        str | None,
        typer.Option(
            help="S3 server as this machine reaches it.",
            envvar="WEBSSL_S3_ENDPOINT",
            rich_help_panel=_EXISTING,
        ),
    ] = None,
    s3_inside: Annotated[
        str | None,
        typer.Option(
            help="The same as pods reach it, where that differs.",
            envvar="WEBSSL_S3_INSIDE",
            rich_help_panel=_EXISTING,
        ),
    ] = None,
    prometheus_url: Annotated[
        str | None,
        typer.Option(
            help="Prometheus that scrapes annotated pods.",
            envvar="WEBSSL_PROMETHEUS_URL",
            rich_help_panel=_EXISTING,
        ),
    ] = None,
    image_operator: Annotated[
        str | None,
        typer.Option(help=f"Operator {_IMAGE}", envvar="WEBSSL_OPERATOR_IMAGE", rich_help_panel=_EXISTING),
    ] = None,
    image_trainer: Annotated[
        str | None,
        typer.Option(help=f"Trainer {_IMAGE}", envvar="WEBSSL_TRAINER_IMAGE", rich_help_panel=_EXISTING),
    ] = None,
    image_eval: Annotated[
        str | None,
        typer.Option(help=f"Evaluation {_IMAGE}", envvar="WEBSSL_EVAL_IMAGE", rich_help_panel=_EXISTING),
    ] = None,
    limit: Annotated[
        float, typer.Option(min=60, help="Seconds after which a run that does not end is given up.")
    ] = 900,
) -> None:
    """Set up a cluster, train a tiny model on two workers, kill one, watch the resume, evaluate, show the table.

    Run again to go on where an earlier demo stopped. With --context the keys of the S3 server are read from
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    from webssl_localcluster.progress import Reporter
    from webssl_localcluster.tools.install import Toolbox

    from webssl_cli.demo import steps
    from webssl_cli.demo.place import given_place
    from webssl_cli.demo.stopwatch import Stopwatch

    root = steps.find_source()
    reporter = Reporter(err)
    tools = Toolbox(reporter)
    watch = Stopwatch()
    if context is None:
        with watch.phase("local cluster and images"):
            place = steps.local_place(name, root, reporter, tools)
    else:
        place = given_place(
            context,
            kubeconfig,
            s3_endpoint=s3_endpoint,
            s3_inside=s3_inside,
            images={
                target: image
                for target, image in (
                    ("operator", image_operator),
                    ("trainer", image_trainer),
                    ("eval", image_eval),
                )
                if image
            },
            prometheus=prometheus_url,
            environment=os.environ,
        )
    with watch.phase("images to train on, into the S3 server"):
        _fill(place)
    with watch.phase("operator"):
        steps.install_chart(place, root, reporter, tools)
    told = _run(place, root, tools, limit)
    from webssl_cli.demo.story import phases_of

    watch.add(phases_of(told))
    _finale(place, told, watch.phases)
    if context is None and not keep:
        from webssl_localcluster.cluster import LocalCluster

        LocalCluster(name, reporter=reporter, tools=tools).down(purge=True)
    if told.run.status.phase != "Succeeded":
        raise typer.Exit(EXIT_FAILED)


def _fill(place: Place) -> None:
    from contextlib import ExitStack

    from webssl_cli.datasets import cache_folder
    from webssl_cli.demo import data, steps
    from webssl_cli.views.bars import Counted, counting_bar

    storage = steps.open_place_storage(place)
    with ExitStack() as bars:

        def bar(name: str) -> Counted:
            bars.close()
            return bars.enter_context(counting_bar(name, err))

        written = data.fill(storage, cache_folder(), bar)
    if not written:
        err.print("all data is there already", style="dim")


def _run(place: Place, root: Path, tools: object, limit: float) -> Told:
    import yaml
    from webssl_localcluster.kubectl import Kubectl
    from webssl_localcluster.tools.install import Toolbox

    from webssl_cli.demo import steps, story
    from webssl_cli.kube.runs import Kube
    from webssl_cli.views.live import LiveRun

    assert isinstance(tools, Toolbox)
    example = yaml.safe_load((root / "examples" / "demo.yaml").read_text())
    kubectl = Kubectl(tools.path("kubectl"), place.kubeconfig or default_kubeconfig(), place.context)
    run = steps.apply_run(kubectl, example, place, nonce=time.strftime("%Y%m%d-%H%M%S"))
    name, namespace = run["metadata"]["name"], run["metadata"]["namespace"]
    kube = Kube(place.context, place.kubeconfig, namespace)
    total = kube.get(name).run.spec.schedule.total_samples
    err.rule(f"[bold]run {name}[/]", align="left")
    with LiveRun(name, total) as live:
        return story.follow(kube, name, live, limit=limit)


def default_kubeconfig() -> Path:
    """The user's own kubeconfig."""
    return Path(os.environ.get("KUBECONFIG", "").split(":")[0] or Path.home() / ".kube" / "config")


def _finale(place: Place, told: Told, phases: list[tuple[str, float]]) -> None:
    from webssl_cli.demo.whereabouts import whereabouts
    from webssl_cli.views.summary import summary

    run = told.run
    out.print()
    out.print(summary(run.name, run.run.spec, run.status, phases))
    for label, text in whereabouts(place, run.name, run.namespace, run.run.spec.checkpoint.uri):
        out.print(f"[bold]{label:12}[/] ", end="")
        out.print(text, markup=False, soft_wrap=True)
