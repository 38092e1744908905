"""What a report is made of: plain data, gathered once and rendered in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Number:
    """A score.

    Attributes:
        value: in its own unit; None when there is none.
        label: what it is not, such as `partial: 3 of 16 benchmarks`; "" when nothing needs saying.
    """

    value: float | None
    label: str = ""


@dataclass(frozen=True)
class Subject:
    """The checkpoint of a report.

    Attributes:
        name: of the run, or the end of its address.
        uri: folder of the checkpoint.
        digest: SHA-256 of its manifest.
        samples: images seen. resolution: side of the last stage's images in pixels.
        sources: addresses of the training data. filtered: whether a filter chose among them.
        imported: where published weights are from; "" for a run's own.
    """

    name: str
    uri: str
    digest: str
    step: int
    samples: int
    size: str
    objective: str
    resolution: int
    sources: tuple[str, ...] = ()
    filtered: bool = False
    imported: str = ""


@dataclass(frozen=True)
class Benchmarked:
    """The paper's benchmarks, answered by one encoder through one projector; several shards are one of these.

    Attributes:
        suites: names of the suites that answered.
        scores: by name of benchmark. means: by name of category, and `Average`.
    """

    suites: tuple[str, ...]
    scores: Mapping[str, Number]
    means: Mapping[str, Number]


@dataclass(frozen=True)
class SuiteResult:
    """One suite's `scores.json`. variant: how it differs from the kind's default. data: address of what is scored."""

    name: str
    kind: str
    variant: str
    version: int
    questions: int
    scores: Mapping[str, float]
    data: str
    data_digest: str
    seconds: float | None
    time: str


@dataclass(frozen=True)
class Example:
    """A question, its answer, and the picture.

    Attributes:
        source: title of the benchmark or name of the suite.
        credit: what the answer earned, 0 to 1.
        grouped: whether it is right only together with the other answers of its group.
        picture: JPEG; None when it could not be read, and then `missing` says why.
    """

    source: str
    question: str
    reference: str
    answer: str
    credit: float
    picture: bytes | None = None
    missing: str = ""
    grouped: bool = False

    @property
    def right(self) -> bool:
        """Whether it earned at least half."""
        return self.credit >= 0.5


@dataclass(frozen=True)
class Picture:
    """A picture for the page. media: its type, such as image/png."""

    title: str
    media: str
    data: bytes


@dataclass(frozen=True)
class Account:
    """All that is known of one checkpoint. cost: name and value of each figure. notes: what the reader must know."""

    subject: Subject
    benchmarked: tuple[Benchmarked, ...] = ()
    suites: tuple[SuiteResult, ...] = ()
    examples: tuple[Example, ...] = ()
    encoder_pictures: tuple[Picture, ...] = ()
    heat_maps: tuple[Picture, ...] = ()
    cost: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
