"""``webssl cluster``: the local cluster on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .cluster import LocalCluster
from .errors import ClusterError
from .images.inputs import TARGETS, find_root
from .progress import Reporter
from .state import Spec, cluster_names
from .tools.install import Toolbox
from .tools.table import RAY, TOOLS

app = typer.Typer(no_args_is_help=True, help="A real Kubernetes with S3 and Prometheus on this machine.")
node_app = typer.Typer(no_args_is_help=True, help="Switch a node off and on.")
s3_app = typer.Typer(no_args_is_help=True, help="Kill, start and use the S3 server.")
app.add_typer(node_app, name="node")
app.add_typer(s3_app, name="s3")
out = Console()
err = Console(stderr=True)

Name = Annotated[str, typer.Option("--name", "-n", help="Which cluster; several can run side by side.")]
Source = Annotated[
    Path | None, typer.Option(help="The checkout to build images from; default: this folder's.")
]


@contextmanager
def _told() -> Iterator[None]:
    """Turns an expected failure into its message and mend."""
    try:
        yield
    except ClusterError as error:
        err.print(f"[red]error:[/] {error.what}", highlight=False)
        err.print(f"[yellow]mend:[/] {error.mend}", highlight=False)
        raise typer.Exit(1) from error


@app.command("tools")
def get_tools(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; by default all but KubeRay's ray-operator.")
    ] = None,
) -> None:
    """Find, fetch or build programs of the cluster, and start nothing."""
    unknown = set(names or ()) - set(TOOLS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    with _told():
        Toolbox(Reporter()).ensure(names or [name for name in TOOLS if name not in RAY])


@app.command()
def up(
    name: Name = "default",
    nodes: Annotated[int, typer.Option(min=0, help="Real nodes; 0: an API server only.")] = 2,
    kwok_nodes: Annotated[
        int, typer.Option(min=0, help="Simulated nodes, on which a Job's pods succeed at once.")
    ] = 0,
    gpus: Annotated[
        int, typer.Option(min=0, help="nvidia.com/gpu that each node says it has; none is there.")
    ] = 0,
    egress: Annotated[bool, typer.Option(help="Let pods and image pulls out of this machine.")] = False,
    images: Annotated[
        bool, typer.Option(help="Build the project's images and put them on the nodes.")
    ] = True,
    source: Source = None,
    base_image: Annotated[
        str | None, typer.Option(help="A Python image to build on, from a registry.")
    ] = None,
) -> None:
    """Start the cluster, or mend what does not run. Again and again does no harm."""
    with _told():
        cluster = LocalCluster(name)
        cluster.up(Spec(nodes=nodes, kwok_nodes=kwok_nodes, gpus=gpus, egress=egress))
        if images and nodes:
            cluster.load_images(source or find_root(Path.cwd()), base_image=base_image)
        out.print(f"export KUBECONFIG={cluster.kubeconfig}", highlight=False, soft_wrap=True)


@app.command()
def down(
    name: Name = "default",
    purge: Annotated[
        bool, typer.Option(help="Remove its state as well: objects, volumes, buckets, metrics.")
    ] = False,
) -> None:
    """Stop the cluster; no process, mount, namespace or bridge stays behind."""
    with _told():
        LocalCluster(name).down(purge=purge)


@app.command()
def status(name: Name = "default") -> None:
    """Show what runs and where. Exit code 1 when a part is dead."""
    with _told():
        now = LocalCluster(name).status()
    table = Table("part", "pid")
    for part, pid in now.processes.items():
        table.add_row(part, str(pid) if pid else "[red]dead[/]")
    out.print(table)
    places = {
        "kubeconfig": now.kubeconfig,
        "API": now.api_url,
        "S3": now.s3_url,
        "Prometheus": now.prometheus_url,
    }
    for what, where in places.items():
        if where:
            out.print(f"{what:<11}{where}", highlight=False, soft_wrap=True)
    ready = ", ".join(sorted(now.ready_nodes)) or "none"
    out.print(f"{'ready':<11}{ready}", highlight=False)
    if not now.healthy:
        err.print(f"[yellow]mend:[/] webssl cluster up --name {name}", highlight=False)
        raise typer.Exit(1)


@app.command("list")
def list_clusters() -> None:
    """Name the clusters that have a state folder."""
    for name in cluster_names():
        out.print(name, highlight=False)


@app.command()
def images(
    name: Name = "default",
    source: Source = None,
    target: Annotated[
        list[str] | None, typer.Option(help=f"Which: {', '.join(TARGETS)}; default: all.")
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="A Python image to build on, from a registry.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option(help="Forget everything that was built, base image included.")
    ] = False,
) -> None:
    """Build the images that are out of date and put them on the nodes."""
    with _told():
        cluster = LocalCluster(name)
        if rebuild:
            cluster.forget_images()
        names = cluster.load_images(source or find_root(Path.cwd()), target or TARGETS, base_image=base_image)
    for built, image in names.items():
        out.print(f"{built:<9}{image}", highlight=False, soft_wrap=True)


@app.command()
def kubeconfig(name: Name = "default") -> None:
    """Print the path of the admin's kubeconfig."""
    with _told():
        cluster = LocalCluster(name)
        cluster.state.load()
    out.print(str(cluster.kubeconfig), highlight=False, soft_wrap=True)


@node_app.command("stop")
def node_stop(node: str, name: Name = "default") -> None:
    """Switch a node off, as a power cut: everything on it dies at once."""
    with _told():
        LocalCluster(name).stop_node(node)


@node_app.command("start")
def node_start(node: str, name: Name = "default") -> None:
    """Switch a node on and wait until it is Ready."""
    with _told():
        LocalCluster(name).start_node(node)


@s3_app.command("kill")
def s3_kill(name: Name = "default") -> None:
    """kill -9 to the S3 server."""
    with _told():
        LocalCluster(name).kill_s3()


@s3_app.command("start")
def s3_start(name: Name = "default") -> None:
    """Start the S3 server and wait until it answers."""
    with _told():
        LocalCluster(name).start_s3()


@s3_app.command("env")
def s3_env(name: Name = "default") -> None:
    """Print the variables that AWS clients read: eval "$(webssl cluster s3 env)"."""
    with _told():
        access = LocalCluster(name).s3
    for variable, value in access.environment.items():
        out.print(f"export {variable}={value}", highlight=False, soft_wrap=True)


@s3_app.command("bucket")
def s3_bucket(bucket: str, name: Name = "default") -> None:
    """Make a bucket, unless it is there."""
    with _told():
        LocalCluster(name).make_bucket(bucket)


if __name__ == "__main__":
    app()
