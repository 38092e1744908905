"""Licences as records with a name, an identifier, an address and their text: what a page is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from webssl_cli.examples.packages import from_npm

SHORTEST = 400
"""Letters that a text must have to fill a good part of a page."""

_COPYRIGHT = re.compile(
    r"copyright\s+(?:\(c\)|©)\s*(?:(?:19|20)\d\d[-–, ]+)*((?:19|20)\d\d)\s*,?\s+(?:by\s+)?"
    r"([A-Z][A-Za-z&,' -]{3,50}?)(?=\.(?:\s|$)|\s+All rights|\n|$)",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\bv?(\d+(?:\.\d+)+)\b")


@dataclass(frozen=True)
class Licence:
    """One licence. identifier: of SPDX. address: where it is published, "" for none. approved: by the Open Source Initiative."""

    identifier: str
    name: str
    address: str
    approved: bool
    text: str

    @property
    def version(self) -> str:
        """The version in its name; "" for none."""
        found = _VERSION.search(self.name)
        return found[1] if found else ""


def texts(cache: Path) -> Path:
    """The file that `licences` reads, 1 MB to download. Needs npm. Raises CliError."""
    return from_npm("spdx-license-list", "6.12.0", cache) / "spdx-full.json"


def licences(file: Path) -> Iterator[Licence]:
    """The licences that have text enough, in the order of their identifiers; of those with one text the first alone."""
    records = json.loads(file.read_text(encoding="utf-8"))
    known: set[str] = set()
    for identifier in sorted(records):
        record = records[identifier]
        text = _plain(record["licenseText"])
        if len(text) >= SHORTEST and text not in known and text.isascii() and record["name"].isascii():
            known.add(text)
            address = str(record.get("url") or "").split()
            yield Licence(
                identifier, record["name"], address[0] if address else "", bool(record["osiApproved"]), text
            )


def copyright_of(text: str) -> tuple[str, str] | None:
    """Last year and holder of the first copyright line that names both; None where a holder's name is not plain."""
    found = _COPYRIGHT.search(text)
    if found is None or len(found[2].split()[-1]) < 2:
        return None
    return found[1], found[2].strip(" ,")


def _plain(text: str) -> str:
    """Paragraphs with one empty line between them; lines of a paragraph are joined when they are wrapped."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\r", "").replace("\t", " "))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())
