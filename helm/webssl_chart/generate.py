"""`python -m webssl_chart.generate ROOT`: writes every generated file of the chart, and the tables in docs/install.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from webssl_chart import alerts, render, roles, values_table
from webssl_chart.boards import BOARDS

CHART = Path("helm/webssl-operator")
INSTALL = Path("docs/install.md")


def generated(root: Path) -> dict[Path, str]:
    """Path below the repository's root -> content. Reads the chart's values and the text around the tables."""
    files = {CHART / f"files/dashboards/{board.uid}.json": render.to_json(board) for board in BOARDS}
    files[CHART / "files/rules/webssl.rules.yaml"] = alerts.to_yaml()
    files[CHART / "files/rbac/operator.yaml"] = roles.to_yaml()
    schema = json.loads((root / CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((root / CHART / "values.yaml").read_text())
    text = (root / INSTALL).read_text()
    text = between(text, "values", values_table.to_markdown(values_table.values(schema, defaults)))
    text = between(text, "roles", roles.to_markdown())
    files[INSTALL] = between(text, "alerts", alerts.to_markdown())
    return files


def between(text: str, name: str, content: str) -> str:
    """`text` with what stands between the two `NAME` markers replaced.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = f"<!-- {name}: begin, written by `make generate` -->", f"<!-- {name}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"docs/install.md lacks the lines {begin!r} and {end!r}: put them back")
    return f"{head}{begin}\n{content}\n{end}{tail}"


def main() -> None:
    """Write the files below the folder given as the first argument."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for path, text in generated(root).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
