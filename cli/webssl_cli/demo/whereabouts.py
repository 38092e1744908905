"""Where metrics, logs and checkpoints of the demo are, as lines to copy."""

from __future__ import annotations

from urllib.parse import quote

from webssl_cli.demo.place import Place

QUERY = "webssl_run_images_per_second"


def whereabouts(place: Place, run: str, namespace: str, checkpoints: str) -> list[tuple[str, str]]:
    """Label and text of each place."""
    lines = []
    if place.prometheus:
        lines.append(
            ("metrics", f"{place.prometheus}/graph?g0.expr={quote(QUERY)}&g0.tab=0&g0.range_input=15m")
        )
    lines += [
        ("logs", f"webssl logs {run} --worker 0 -n {namespace} {place.flags}"),
        ("status", f"webssl status {run} -n {namespace} {place.flags}"),
        ("checkpoints", f"{place.keys}; webssl checkpoints {checkpoints} --endpoint {place.s3_outside}"),
        ("remove all", place.removal),
    ]
    return lines
