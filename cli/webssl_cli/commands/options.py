"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig; without it the current one.", envvar="WEBSSL_CONTEXT"),
]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Kubeconfig file; without it KUBECONFIG or the default.")
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace of the run; without it the context's own.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        help="Address of an S3-compatible server; without it AWS_ENDPOINT_URL, or the provider's own.",
        show_default=False,
    ),
]
