"""`python -m webssl_api.generate ROOT`: writes every file that is made from the types."""

from __future__ import annotations

import sys
from pathlib import Path

from webssl_api.crd import run_crd, to_yaml

OUTPUTS = (
    "crds/generated/webssl.dev_websslruns.yaml",
    "helm/webssl-operator/files/crds/webssl.dev_websslruns.yaml",
)


def generated() -> dict[str, str]:
    """Path below the repository's root -> content."""
    text = to_yaml(run_crd())
    return dict.fromkeys(OUTPUTS, text)


def main() -> None:
    """Write the files below the folder given as the first argument."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for path, text in generated().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
