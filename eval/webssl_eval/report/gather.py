"""Everything that lies beside a checkpoint, as an account. Reads through the storage that it is handed, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.discovery import survey
from webssl_trainer.checkpoint.layout import CHECKPOINTS, IDENTITY_NAME, split_address
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join

from webssl_eval.encoder_pictures import PICTURE
from webssl_eval.published.trained import Trained, trained_of
from webssl_eval.report.account import Account, Picture, Subject, SuiteResult
from webssl_eval.report.benchmarked import benchmarked
from webssl_eval.report.illustrated import suite_examples
from webssl_eval.report.thumbnails import drawing
from webssl_eval.results import SCORES, Scores, known_scores

_VARIANTS = {"segmentation": ("linear", ""), "depth": ("linear", "lin1", "")}
"""Variants that are a kind's default, by kind."""


@dataclass(frozen=True)
class Found:
    """A checkpoint: address of its run's folder, its own folder, its manifest, and its suites' scores by folder."""

    run: str
    folder: str
    manifest: CheckpointManifest
    scores: Mapping[str, Scores]
    notes: tuple[str, ...]


def account(
    storage: Storage, uri: str, name: str, each: int, progress: Callable[[str], None] = lambda _: None
) -> Account:
    """What is known of a checkpoint.

    Args:
        storage: where it is, and where the evaluation's data is; data that cannot be read costs its pictures only.
        uri: a run's `spec.checkpoint.uri`, for the newest checkpoint that was evaluated (else the newest), or one
            checkpoint's folder.
        name: what to call it.
        each: right and wrong examples of each benchmark and suite.
        progress: told what is read.

    Raises:
        UserError: there is no checkpoint.
    """
    progress("checkpoints")
    found = find(storage, uri)
    trained = trained_of(storage.read(join(found.folder, IDENTITY_NAME)), found.folder)
    progress("benchmarks")
    answered, examples, notes = benchmarked(storage, found.scores, each)
    progress("examples")
    examples += suite_examples(storage, found.scores, each)
    progress("pictures")
    return Account(
        subject=subject(found, trained, name),
        benchmarked=tuple(answered),
        suites=tuple(_suite(item) for item in found.scores.values()),
        examples=tuple(examples),
        encoder_pictures=(*_encoder_pictures(storage, found), *_watched_pictures(storage, found)),
        heat_maps=tuple(_heat_maps(storage, found)),
        cost=_evaluation_cost(found.scores),
        notes=(*found.notes, *notes),
    )


def with_cost(known: Account, cost: Mapping[str, str], notes: tuple[str, ...] = ()) -> Account:
    """The account with the figures of training before those of evaluation."""
    return replace(known, cost={**cost, **known.cost}, notes=(*known.notes, *notes))


def find(storage: Storage, uri: str) -> Found:
    """The checkpoint that a report is about.

    Raises:
        UserError: there is none.
    """
    run, named = split_address(uri)
    known = [item for item in survey(storage, run).ordered if item.manifest is not None]
    wanted = [item for item in known if named is None or item.key == named]
    if not wanted:
        raise UserError(
            f"{uri} holds no committed checkpoint; name the spec.checkpoint.uri of a run that has saved one, or a "
            f"checkpoint's folder below it ({run}/{CHECKPOINTS}/attempt-.../step-...)"
        )
    chosen, scores = wanted[0], _scores(storage, join(run, wanted[0].key.path))
    for item in wanted[1:]:
        if scores:
            break
        older = _scores(storage, join(run, item.key.path))
        if older:
            chosen, scores = item, older
    manifest = chosen.manifest
    assert manifest is not None
    valid = {url: item for url, item in scores.items() if item.report.checkpoint_digest == manifest.digest}
    notes = [
        f"{url} is left out: it scores a checkpoint of digest {item.report.checkpoint_digest[:12]}, not this one"
        for url, item in scores.items()
        if url not in valid
    ]
    if chosen is not wanted[0]:
        notes.append(f"checkpoint {wanted[0].key.path} is newer and has no scores yet")
    if not valid:
        notes.append("no suite has scored this checkpoint")
    return Found(run, join(run, chosen.key.path), manifest, valid, tuple(notes))


def subject(found: Found, trained: Trained, name: str) -> Subject:
    """The checkpoint as the report names it. Pure."""
    fields = trained.fields
    sources = [
        str(value)
        for key, value in sorted(fields.items())
        if key.startswith("data.") and key.rpartition(".")[2].partition("[")[0] == "source"
    ]
    return Subject(
        name=name,
        uri=found.folder,
        digest=found.manifest.digest,
        step=found.manifest.step,
        samples=found.manifest.samples,
        size=str(fields["model.size"]),
        objective=trained.objective,
        resolution=trained.resolution,
        sources=tuple(dict.fromkeys(sources)),
        filtered=any(key.startswith("data.") and ".filter" in key for key in fields),
        imported=str(fields.get("imported.from", "")),
    )


def _scores(storage: Storage, folder: str) -> dict[str, Scores]:
    """The scores of a checkpoint's suites by their folder, in the order of their names."""
    found: dict[str, Scores] = {}
    for info in storage.list_objects(join(folder, "eval")):
        parent, _, name = info.url.rpartition("/")
        if name == SCORES and parent.rpartition("/")[0].endswith("/eval"):
            scores = known_scores(storage, parent)
            if scores is not None:
                found[parent] = scores
    return dict(sorted(found.items()))


def _suite(scores: Scores) -> SuiteResult:
    report = scores.report
    settings = scores.settings.get(report.kind) or {}
    variant = str(settings.get("variant", ""))
    seconds = scores.details.get("seconds")
    return SuiteResult(
        name=report.suite,
        kind=report.kind,
        variant="" if variant in _VARIANTS.get(report.kind, ("",)) else variant,
        version=report.suite_version,
        questions=report.questions,
        scores=report.scores,
        data=str(settings.get("test") or settings.get("testPairs") or settings.get("pairs") or "-"),
        data_digest=scores.data_digest,
        seconds=_total(seconds) if isinstance(seconds, dict) else None,
        time=report.time,
    )


def _total(seconds: Mapping[str, float]) -> float:
    return float(sum(value for value in seconds.values() if isinstance(value, int | float)))


def _evaluation_cost(scores: Mapping[str, Scores]) -> dict[str, str]:
    told = {item.name: item.seconds for item in map(_suite, scores.values())}
    return {
        f"evaluation, {name}": f"{seconds:,.1f} s" for name, seconds in told.items() if seconds is not None
    }


def _encoder_pictures(storage: Storage, found: Found) -> list[Picture]:
    """The pictures that training drew at this checkpoint's step, or at the last step before it that has some."""
    drawn: dict[int, list[str]] = {}
    for info in storage.list_objects(join(found.run, "pictures")):
        name = info.url.rpartition("/")[2]
        step = name.removeprefix("step-").partition("-")[0]
        if name.startswith("step-") and name.endswith(".png") and step.isdigit():
            drawn.setdefault(int(step), []).append(info.url)
    reached = [step for step in drawn if step <= found.manifest.step]
    if not reached:
        return []
    titles = {"pca": "patch features, their three principal components as colours", "loss": "training so far"}
    pictures = []
    for url in sorted(drawn[max(reached)], reverse=True):
        kind = url.rpartition("/")[2].removesuffix(".png").split("-", 2)[2]
        pictures += _picture(storage, url, f"{titles.get(kind, kind)} (step {max(reached):,})")
    return pictures


def _watched_pictures(storage: Storage, found: Found) -> list[Picture]:
    """What the encoder made of the first pictures of a suite: of the first suite that drew it, since all show the same encoder."""
    for folder, scores in found.scores.items():
        title = f"where the last block's class token looks, on pictures of the suite {scores.report.suite}"
        drawn = _picture(storage, join(folder, PICTURE), title)
        if drawn:
            return drawn
    return []


def _heat_maps(storage: Storage, found: Found) -> list[Picture]:
    pictures = []
    for folder, scores in found.scores.items():
        if scores.report.kind == "alignment":
            pictures += _picture(
                storage,
                join(folder, "alignment.png"),
                f"{scores.report.suite}: mutual neighbours of every pair of layers",
            )
    return pictures


def _picture(storage: Storage, url: str, title: str) -> list[Picture]:
    """The picture; nothing when it is gone or broken."""
    try:
        media, data = drawing(storage.read(url))
    except (StorageNotFoundError, OSError, ValueError):
        return []
    return [Picture(title, media, data)]
