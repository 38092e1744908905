"""Tables of tricky answers by benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.unit.eval.benchmarks.tables import (
    chartqa,
    docvqa,
    gqa,
    mathvista,
    mme,
    mmmu,
    mmvp,
    ocrbench,
    realworldqa,
    scienceqa,
    textvqa,
)
from tests.unit.eval.benchmarks.tables.case import Case
from tests.unit.eval.benchmarks.tables.letters import lettered

TABLES: Mapping[str, Sequence[Case]] = {
    "mme-p": mme.TABLE,
    "mmbench": lettered(),
    "seed-i": lettered(),
    "gqa": gqa.TABLE,
    "scienceqa-i": scienceqa.TABLE,
    "mmmu-v": mmmu.TABLE,
    "mathvista": mathvista.TABLE,
    "ai2d": lettered(),
    "chartqa": chartqa.TABLE,
    "ocrbench": ocrbench.TABLE,
    "textvqa": textvqa.TABLE,
    "docvqa": docvqa.TABLE,
    "mmvp": mmvp.TABLE,
    "realworldqa": realworldqa.TABLE,
    "cvbench-2d": lettered(kind="COCO"),
    "cvbench-3d": lettered(kind="Omni3D"),
}
