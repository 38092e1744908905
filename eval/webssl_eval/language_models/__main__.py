"""`python -m webssl_eval.language_models package:NAME FOLDER`: convert a packaged model when an image is built.

Point WEBSSL_MODELS at FOLDER in the image, and evaluation pods start without converting.
"""

from __future__ import annotations

import sys
from pathlib import Path

from webssl_trainer.errors import UserError

from webssl_eval.language_models.source import PACKAGE, convert_once, packaged_model


def main(arguments: list[str]) -> int:
    """See the module."""
    if len(arguments) != 2 or not arguments[0].startswith(PACKAGE):
        sys.stderr.write(f"usage: python -m webssl_eval.language_models {PACKAGE}NAME FOLDER\n")
        return 2
    try:
        folder = convert_once(packaged_model(arguments[0].removeprefix(PACKAGE)), Path(arguments[1]))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
