"""Parts on storage: `{checkpoint}/eval/{suite}/parts/{number}-of-{count}/`, in the form of a suite's results.

A part is there when its scores.json is, which is written last. Storages are consistent after a write, so of pods that each write their
part and then look for all, at least the last one finds them: no pod waits for another. Two that both find them write the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from webssl_trainer.storage import Storage, join

from webssl_eval.merging.part import Part
from webssl_eval.results import PREDICTIONS, SCORES, Identity, known_scores
from webssl_eval.suites.interface import Outcome

PARTS = "parts"


def part_folder(folder: str, part: Part) -> str:
    """URL of a part's results. folder: of the suite's."""
    return join(folder, PARTS, part.text)


def stored_part(storage: Storage, folder: str, part: Part, wanted: Identity) -> Outcome | None:
    """A part that is there for the same checkpoint, version, settings and data; None when it is not."""
    place = part_folder(folder, part)
    scores = known_scores(storage, place)
    if scores is None or scores.identity != wanted:
        return None
    names = [
        info.url[info.url.rindex(part.text) + len(part.text) + 1 :] for info in storage.list_objects(place)
    ]
    lines = storage.read(join(place, PREDICTIONS)).splitlines()
    return Outcome(
        scores=scores.report.scores,
        questions=scores.report.questions,
        predictions=[json.loads(line) for line in lines],
        details=scores.details,
        files={name: storage.read(join(place, name)) for name in names if name not in (SCORES, PREDICTIONS)},
    )


def all_parts(storage: Storage, folder: str, count: int, wanted: Identity) -> Sequence[Outcome] | None:
    """All parts in their order; None while one is missing."""
    found = []
    for number in range(count):
        outcome = stored_part(storage, folder, Part(number, count), wanted)
        if outcome is None:
            return None
        found.append(outcome)
    return found
