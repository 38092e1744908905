"""`python -m webssl_api.generate ROOT`: writes every file that is made from the types."""

from __future__ import annotations

import sys
from pathlib import Path

from webssl_api.crd import crd_of, to_yaml
from webssl_api.kind import GROUP
from webssl_api.kinds import KINDS

FOLDERS = ("crds/generated", "helm/webssl-operator/files/crds")


def generated() -> dict[str, str]:
    """Path below the repository's root -> content."""
    texts = {f"{GROUP}_{kind.plural}.yaml": to_yaml(crd_of(kind)) for kind in KINDS}
    return {f"{folder}/{name}": text for name, text in texts.items() for folder in FOLDERS}


def main() -> None:
    """Write the files below the folder given as the first argument."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for path, text in generated().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main()
