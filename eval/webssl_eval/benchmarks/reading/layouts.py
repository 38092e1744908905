"""Which published files are there, and the questions in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, canonical

from webssl_eval.benchmarks.question import Problem, Question

_SHARD = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})")


@dataclass(frozen=True)
class Source:
    """A benchmark's folder. files: URLs of the files that the layout asks for, in order. there: every file by its path."""

    storage: Storage
    root: str
    files: tuple[str, ...]
    there: dict[str, str]

    def also(self, *patterns: str) -> tuple[str, ...]:
        """URLs of other files of the layout."""
        return matching(self.there, patterns)


@dataclass(frozen=True)
class Layout:
    """One published file layout.

    patterns: paths below the benchmark's folder; `*` stays within one folder. read: the questions in those files.
    """

    patterns: tuple[str, ...]
    read: Callable[[Source], Iterator[Question | Problem]]


@dataclass(frozen=True)
class Loaded:
    """What a benchmark's files hold: questions in the files' order, what is malformed, and the files' URLs."""

    questions: tuple[Question, ...]
    problems: tuple[Problem, ...]
    files: tuple[str, ...]


def matching(there: dict[str, str], patterns: Iterable[str]) -> tuple[str, ...]:
    """URLs of the files whose path below the folder fits a pattern, sorted by path."""
    wanted = list(patterns)
    return tuple(
        url for path, url in sorted(there.items()) if any(_fits(path, pattern) for pattern in wanted)
    )


def _fits(path: str, pattern: str) -> bool:
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def read_layouts(storage: Storage, uri: str, layouts: Sequence[Layout], published: str) -> Loaded:
    """The questions of a benchmark, by the first layout that has files there.

    Ids that come twice and shards that are missing (`-00000-of-00003`) are problems; nothing is left out silently.
    `published` names the data set in errors.
    """
    root = canonical(uri).rstrip("/")
    there = {info.url.removeprefix(root + "/"): info.url for info in storage.list_objects(root)}
    for layout in layouts:
        files = matching(there, layout.patterns)
        if files:
            found = list(layout.read(Source(storage, root, files, there)))
            questions = [item for item in found if isinstance(item, Question)]
            problems = [item for item in found if isinstance(item, Problem)]
            problems = [*missing_shards(files), *problems, *_repeated(questions)]
            if not questions and not problems:
                problems.append(
                    Problem(root, "the files hold no question of this benchmark; copy them again")
                )
            return Loaded(tuple(questions), tuple(problems), files)
    wanted = " or ".join(pattern for layout in layouts for pattern in layout.patterns)
    text = f"no file {wanted} there; copy the files of {published} there"
    return Loaded((), (Problem(root, text),), ())


def missing_shards(files: Iterable[str]) -> list[Problem]:
    """A problem for each set of files named `NAME-00001-of-00003...` that is not whole."""
    sets: dict[tuple[str, int], set[int]] = {}
    for url in files:
        match = _SHARD.match(url)
        if match:
            sets.setdefault((match["stem"], int(match["count"])), set()).add(int(match["number"]))
    problems = []
    for (stem, count), numbers in sets.items():
        absent = sorted(set(range(count)) - numbers)
        if absent:
            names = ", ".join(f"{number:05d}" for number in absent[:5])
            text = f"{len(absent)} of {count} files are missing ({names}); copy them too"
            problems.append(Problem(f"{stem.rpartition('/')[2]}-*-of-{count:05d}", text))
    return problems


def _repeated(questions: Iterable[Question]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for question in questions:
        if question.id in seen:
            text = f"id {question.id!r} is that of {seen[question.id]} already; ids must differ, remove one"
            yield Problem(question.place, text)
        seen.setdefault(question.id, question.place)


def whole(name: str, loaded: Loaded) -> tuple[Question, ...]:
    """The questions, when nothing is malformed.

    Raises:
        UserError: names the first three problems and how many there are.
    """
    if loaded.problems:
        first = "\n  ".join(str(problem) for problem in loaded.problems[:3])
        count = len(loaded.problems)
        raise UserError(f"{name}: {count} problem{'s' if count > 1 else ''} in its files:\n  {first}")
    return loaded.questions
