"""`webssl get`, `status`, `watch` and `logs`: runs on a Kubernetes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from webssl_cli.commands.options import Context, Kubeconfig, Namespace
from webssl_cli.console import out
from webssl_cli.errors import EXIT_FAILED, CliError

if TYPE_CHECKING:
    from webssl_cli.kube.runs import PodOfRun

Run = Annotated[str, typer.Argument(help="Name of the run.", show_default=False)]
POLL_SECONDS = 1.0


def get(
    run: Annotated[str | None, typer.Argument(help="Name of one run.", show_default=False)] = None,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Runs of all namespaces.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List runs: phase, progress, workers, speed, loss, newest checkpoint."""
    from webssl_cli.kube.runs import Kube
    from webssl_cli.views.listing import listing

    kube = Kube(context, kubeconfig, namespace)
    runs = [kube.get(run)] if run is not None else kube.all_runs(everywhere)
    if not runs:
        where = "any namespace" if everywhere else f"namespace {kube.namespace}"
        out.print(f"No WebSSLRun in {where}; apply one with `kubectl apply -f FILE`.")
        return
    out.print(listing(runs), markup=False, soft_wrap=True)


def status(
    run: Run, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """Show all that is known of a run: progress, checkpoints, restarts, conditions, pods, scores."""
    from webssl_cli.kube.runs import Kube
    from webssl_cli.views.details import details
    from webssl_cli.views.summary import summary

    kube = Kube(context, kubeconfig, namespace)
    found = kube.get(run)
    out.print(summary(run, found.run.spec, found.status))
    out.print(details(found.status, kube.pods(run)))


def watch(
    run: Run, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """Follow a run with live bars until it is done, then show the final table."""
    from webssl_api.status import TERMINAL, Phase

    from webssl_cli.kube.runs import Kube
    from webssl_cli.views.live import LiveRun
    from webssl_cli.views.summary import summary

    kube = Kube(context, kubeconfig, namespace)
    found = kube.get(run)
    with LiveRun(run, found.run.spec.schedule.total_samples) as live:
        while True:
            live.update(found.status)
            if found.status.phase in TERMINAL:
                break
            time.sleep(POLL_SECONDS)
            found = kube.get(run)
    out.print(summary(run, found.run.spec, found.status))
    if found.status.phase is Phase.FAILED:
        raise typer.Exit(EXIT_FAILED)


def logs(
    run: Run,
    worker: Annotated[
        int | None, typer.Option("--worker", "-w", help="Number of a worker; without it 0.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Name of an evaluation suite instead of a worker.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    tail: Annotated[
        int | None, typer.Option(help="Only so many lines from the end.", show_default=False)
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the log of a worker's newest pod, or of an evaluation suite's."""
    from webssl_cli.kube.runs import Kube

    kube = Kube(context, kubeconfig, namespace)
    pod = choose_pod(kube.pods(run), run, worker, suite)
    for line in kube.log(pod.name, follow=follow, tail=tail):
        out.print(line, markup=False, soft_wrap=True)


def choose_pod(pods: list[PodOfRun], run: str, worker: int | None, suite: str | None) -> PodOfRun:
    """The newest pod of a worker or suite, those that are not being deleted first.

    Raises:
        CliError: there is none; the message names those that are there.
    """
    if suite is not None:
        fitting = [pod for pod in pods if pod.suite == suite]
        there = sorted({pod.suite for pod in pods if pod.suite})
        asked, option = f"suite {suite!r}", "--suite"
    else:
        number = worker or 0
        fitting = [pod for pod in pods if pod.index == number and not pod.suite]
        there = sorted({str(pod.index) for pod in pods if pod.index is not None and not pod.suite})
        asked, option = f"worker {number}", "--worker"
    if not fitting:
        names = (
            f"use {option} {' or '.join(there)}"
            if there
            else "wait until the run has pods, or see `webssl status`"
        )
        raise CliError(f"run {run}: no pod of {asked}", names)
    return max(fitting, key=lambda pod: (pod.phase != "Terminating", pod.first))
