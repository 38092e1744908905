"""The paper's way: a vision-language model is asked two questions, and answers yes or no.

The answer is read from the first token that the model would write: the larger of the probabilities of all tokens that
spell yes and of all that spell no. So every image gets an answer, and how sure it was is in the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from webssl_api.curation import VlmScorer

from webssl_trainer.curation.interface import Picture, Values
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, scheme_of

_VERSION = 1
_SIDE = 1024
_SPELLINGS = ("{}", "{}.", " {}", "{},")


class YesNo:
    """Columns text_light, text_heavy and their probabilities; see `webssl_trainer.curation.interface.Scorer`.

    text_light, text_heavy: whether the answer to the question was yes. text_light_yes, text_heavy_yes: P(yes) / (P(yes) +
    P(no)), 0 to 1.
    """

    name = "vlm"
    columns: Sequence[tuple[str, Any]] = (
        ("text_light", pa.bool_()),
        ("text_heavy", pa.bool_()),
        ("text_light_yes", pa.float32()),
        ("text_heavy_yes", pa.float32()),
    )
    side: int | None = _SIDE
    batched = True

    def __init__(self, folder: Path, settings: VlmScorer, device: torch.device) -> None:
        self._questions = (settings.light_question, settings.heavy_question)
        self._batch = settings.batch_size
        self._device = device
        kind = torch.float32 if device.type == "cpu" else torch.bfloat16
        try:
            self._processor = AutoProcessor.from_pretrained(str(folder), local_files_only=True)
            model = AutoModelForImageTextToText.from_pretrained(
                str(folder), dtype=kind, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"spec.scorers.vlm.model {settings.model} is no image-text-to-text model of transformers "
                f"({str(error).strip().splitlines()[0][:300]}): name the folder of one, with its processor"
            ) from error
        self._model = model.eval().to(device)
        self._processor.tokenizer.padding_side = (
            "left"  # the last place of each row is where the answer begins
        )
        if self._processor.tokenizer.pad_token_id is None:
            self._processor.tokenizer.pad_token = self._processor.tokenizer.eos_token
        self._yes, self._no = self._spelled("yes"), self._spelled("no")
        both = set(self._yes) & set(self._no)
        self._yes = [token for token in self._yes if token not in both]
        self._no = [token for token in self._no if token not in both]
        if not self._yes or not self._no:
            raise UserError(
                f"spec.scorers.vlm.model {settings.model} has no token for yes or for no: name another model"
            )
        self.identity = {
            "version": _VERSION,
            "questions": self._questions,
            "model": _folder_digest(folder),
        }

    def _spelled(self, word: str) -> list[int]:
        """First tokens of the ways to write a word."""
        tokenizer, found = self._processor.tokenizer, set()
        for spelling in _SPELLINGS:
            for form in (word, word.capitalize(), word.upper()):
                tokens = tokenizer.encode(spelling.format(form), add_special_tokens=False)
                # a spelling that begins with a token of its own, such as a blank, says nothing
                if tokens and tokenizer.decode(tokens[:1]).strip().lower() == word:
                    found.add(tokens[0])
        return sorted(found)

    def score(self, pictures: Sequence[Picture]) -> list[Values]:
        """See Scorer."""
        found: list[Values] = []
        for first in range(0, len(pictures), self._batch):
            images = [picture.image for picture in pictures[first : first + self._batch]]
            light, heavy = (self._ask(images, question) for question in self._questions)
            found.extend(
                {
                    "text_light": a >= 0.5,
                    "text_heavy": b >= 0.5,
                    "text_light_yes": a,
                    "text_heavy_yes": b,
                }
                for a, b in zip(light, heavy, strict=True)
            )
        return found

    @torch.inference_mode()
    def _ask(self, images: Sequence[Image.Image], question: str) -> list[float]:
        prompt = self._prompt(question)
        given = self._processor(
            text=[prompt] * len(images),
            images=[[image] for image in images],
            return_tensors="pt",
            padding=True,
        ).to(self._device, dtype=self._model.dtype)
        chances = self._model(**given).logits[:, -1].float().softmax(dim=-1)
        yes, no = chances[:, self._yes].sum(dim=1), chances[:, self._no].sum(dim=1)
        answer: list[float] = (yes / (yes + no).clamp_min(1e-30)).tolist()
        return answer

    def _prompt(self, question: str) -> str:
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": question}]
            made: str = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            return made
        token = getattr(self._processor, "image_token", "<image>")
        return f"USER: {token}\n{question} ASSISTANT:"


def _folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a model's files; 16 hexadecimal digits."""
    found = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return found.hexdigest()[:16]


def _local(uri: str, storage: Storage, scratch: Path) -> Path:
    """The model's folder on this machine; copied from the storage where it is elsewhere."""
    if scheme_of(uri) == "file":
        return Path(uri.removeprefix("file://"))
    folder = scratch / "vlm" / hashlib.sha256(uri.encode()).hexdigest()[:16]
    base = uri.rstrip("/") + "/"
    for item in storage.list_objects(uri):
        target = folder / item.url.removeprefix(base)
        if target.exists() and target.stat().st_size == item.size:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        with storage.open(item.url) as source, fresh.open("wb") as sink:
            while piece := source.read(16 << 20):
                sink.write(piece)
        fresh.replace(target)
    return folder


def make(settings: VlmScorer, storage: Storage, scratch: Path) -> YesNo:
    """The scorer of `spec.scorers.vlm`, on the GPU where there is one.

    Raises:
        UserError: the folder has no such model, or the model can not say yes or no.
    """
    folder = _local(settings.model, storage, scratch)
    if not folder.is_dir():
        raise UserError(f"spec.scorers.vlm.model {settings.model} does not exist: name the folder of a model")
    return YesNo(folder, settings, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
