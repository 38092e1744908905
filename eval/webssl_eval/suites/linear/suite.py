"""The `linear` suite from labelled sets to scores."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation_probes import LinearSuite
from webssl_trainer.data import LabelledSet, open_labelled
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.suites.ahead import one_ahead
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.knn import ranking, top_scores
from webssl_eval.suites.labelled_sources import joined_names, labelled_digest, renumbered
from webssl_eval.suites.linear.grid import Head, grid
from webssl_eval.suites.linear.heads import HeadStacks, cosine
from webssl_eval.suites.linear.readings import ReadingTable, random_crops, read_all, read_layers, readings_of
from webssl_eval.suites.order import order_of

HEADS_FILE = "heads.json"
_TOP = 5
_SCORED_AT_ONCE = 256


@dataclass(frozen=True)
class HeadScore:
    """What one head reaches. top1, top5: in per cent of the images that were asked. loss: of its last training steps, mean."""

    head: Head
    top1: float
    top5: float
    loss: float


class LinearClassification:
    """The `linear` suite. Scores of the best head: top1, top5 and prior (the majority class of the training set)."""

    kind = "linear"
    version = 1

    def __init__(self, spec: LinearSuite) -> None:
        self._spec = spec

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution

    def data_digest(self, place: Workplace) -> str:
        """Over the URLs and sizes of the files, and every image's id and class; the pixels are not read."""
        return labelled_digest(place.storage, [self._spec.train, self._spec.test])

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        place.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="linear-", dir=place.scratch) as folder:
            return self._run(encoder, place, Path(folder))

    def _run(self, encoder: Encoder, place: Workplace, folder: Path) -> Outcome:
        spec, began = self._spec, time.monotonic()
        train, test = open_labelled(place.storage, spec.train), open_labelled(place.storage, spec.test)
        names = joined_names(train.class_names, test.class_names)
        train_labels = renumbered(train.labels, train.class_names, names)
        test_labels = renumbered(test.labels, test.class_names, names)
        fitted_on, held_out = split(len(train), spec.held_out, spec.seed)
        heads, stacks = grid(spec.learning_rates), self._stacks(encoder, len(names), place)
        losses = self._train(stacks, encoder, train, train_labels, fitted_on, place, folder)
        trained = time.monotonic()
        asked = _table(encoder, test, np.arange(len(test)), place, folder, "test images")
        asked_labels = test_labels[asked.numbers]
        table = head_scores(stacks, losses, asked, asked_labels, place.device)
        chosen_by = table
        if len(held_out):
            inner = _table(encoder, train, held_out, place, folder, "held-out training images")
            chosen_by = head_scores(stacks, losses, inner, train_labels[inner.numbers], place.device)
        best = best_head(chosen_by)
        ranked = _ranked(stacks, best, asked, place.device)
        predictions = [
            {
                "id": test.sample_ids[number],
                "label": names[label],
                "predicted": [names[c] for c in row[:_TOP]],
            }
            for number, label, row in zip(asked.numbers, asked_labels, ranked, strict=True)
        ]
        details = {
            "bestHead": heads[best].name,
            "chosenOn": "held-out training images" if len(held_out) else "test images, as published",
            "heads": len(heads),
            "trainImages": len(fitted_on),
            "classes": len(names),
            "brokenTestImages": len(test) - len(asked.numbers),
            "seconds": {"training": trained - began, "scoring": time.monotonic() - trained},
        }
        scores = top_scores(ranked, asked_labels, train_labels[fitted_on])
        return Outcome(
            scores, len(predictions), predictions, details, {HEADS_FILE: heads_file(table, chosen_by)}
        )

    def _stacks(self, encoder: Encoder, classes: int, place: Workplace) -> HeadStacks:
        spec = self._spec
        return HeadStacks(
            grid(spec.learning_rates),
            read_layers(encoder),
            encoder.width,
            classes,
            spec.batch_size,
            spec.seed,
            place.device,
        )

    def _train(
        self,
        stacks: HeadStacks,
        encoder: Encoder,
        images: LabelledSet,
        labels: NDArray[np.int64],
        numbers: NDArray[np.int64],
        place: Workplace,
        folder: Path,
    ) -> NDArray[np.float64]:
        """Train all heads; the mean loss of each over the last tenth of the steps, (heads,)."""
        spec = self._spec
        batches = self._batches(encoder, images, numbers, place, folder)
        late: deque[Tensor] = deque(maxlen=max(1, spec.steps // 10))
        for step in range(spec.steps):
            readings, shown = next(batches)
            if len(shown):  # every image of a step may be broken
                share = cosine(step, spec.steps)
                truth = torch.from_numpy(labels[shown]).to(place.device)
                losses = stacks.step(readings.to(place.device), truth, share)
                late.append(losses.cpu())
            place.progress("steps of all heads", step + 1, spec.steps)
        if not late:
            raise UserError(
                f"none of the training images of {spec.train} that the linear suite saw can be decoded; repack the shards"
            )
        return torch.stack(list(late)).double().mean(0).numpy()

    def _batches(
        self,
        encoder: Encoder,
        images: LabelledSet,
        numbers: NDArray[np.int64],
        place: Workplace,
        folder: Path,
    ) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
        """Readings and image numbers of one step after another."""
        spec = self._spec
        if spec.augment:
            crops = (
                random_crops(encoder, images, numbers[chosen], spec.seed, step * spec.batch_size)
                for step, chosen in enumerate(order_of(len(numbers), spec.batch_size, spec.seed))
            )
            for part in one_ahead(crops):
                yield readings_of(encoder, torch.from_numpy(part.views)), part.numbers
        table = _table(encoder, images, numbers, place, folder, "training images")
        for chosen in order_of(len(table.numbers), spec.batch_size, spec.seed):
            yield table.rows(chosen), table.numbers[chosen]


def split(count: int, held_out: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of images to train on, and of those held out (at least one if any), each in order.

    Raises:
        UserError: nothing would be left to train on.
    """
    away = 0 if held_out == 0 else max(1, round(held_out * count))
    if away >= count:
        raise UserError(
            f"spec.evaluation.suites.linear.heldOut {held_out} leaves none of {count} images; lower it"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    return np.sort(order[away:]), np.sort(order[:away])


def head_scores(
    stacks: HeadStacks,
    losses: NDArray[np.float64],
    table: ReadingTable,
    labels: NDArray[np.int64],
    device: torch.device,
) -> list[HeadScore]:
    """Top-1 and top-5 of every head on a table of readings; labels: int64 (N,), class numbers."""
    hits = torch.zeros(2, len(stacks.heads), dtype=torch.float64)
    for start in range(0, len(labels), _SCORED_AT_ONCE):
        part = slice(start, start + _SCORED_AT_ONCE)
        truth = torch.from_numpy(labels[part]).to(device)
        logits_HBC = stacks.logits(table.rows(part).to(device))
        right_HBT = logits_HBC.topk(min(_TOP, logits_HBC.shape[-1]), dim=-1).indices == truth[None, :, None]
        hits += torch.stack([right_HBT[..., 0].sum(1), right_HBT.any(-1).sum(1)]).double().cpu()
    top1, top5 = (100 * hits / len(labels)).tolist()
    return [
        HeadScore(head, *score)
        for head, *score in zip(stacks.heads, top1, top5, losses.tolist(), strict=True)
    ]


def best_head(table: Sequence[HeadScore]) -> int:
    """Place of the head with the highest top-1; of equal ones the lower loss, then the first."""
    return min(
        range(len(table)), key=lambda at: (-table[at].top1, np.nan_to_num(table[at].loss, nan=np.inf), at)
    )


def heads_file(table: Sequence[HeadScore], chosen_by: Sequence[HeadScore]) -> bytes:
    """The table of all heads as JSON; `chosenTop1` is what the best head was chosen by."""
    rows: list[dict[str, Any]] = [
        {
            "head": row.head.name,
            "layers": row.head.layers,
            "meanPatch": row.head.mean_patch,
            "learningRate": row.head.rate,
            "top1": row.top1,
            "top5": row.top5,
            "chosenTop1": inner.top1,
            "trainLoss": row.loss if np.isfinite(row.loss) else None,
        }
        for row, inner in zip(table, chosen_by, strict=True)
    ]
    return json.dumps(rows, indent=1).encode()


def _ranked(stacks: HeadStacks, head: int, table: ReadingTable, device: torch.device) -> NDArray[np.int64]:
    parts = [
        ranking(stacks.logits(table.rows(slice(start, start + _SCORED_AT_ONCE)).to(device))[head]).cpu()
        for start in range(0, len(table.numbers), _SCORED_AT_ONCE)
    ]
    return torch.cat(parts).numpy()


def _table(
    encoder: Encoder,
    images: LabelledSet,
    numbers: NDArray[np.int64],
    place: Workplace,
    folder: Path,
    what: str,
) -> ReadingTable:
    path = folder / f"{what.replace(' ', '-')}.npy"
    table = read_all(encoder, images, numbers, path, partial(place.progress, what))
    if not len(table.numbers):
        raise UserError(
            f"none of the {len(numbers)} {what} of the linear suite can be decoded; repack the shards"
        )
    return table
