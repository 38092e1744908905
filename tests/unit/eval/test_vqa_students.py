"""What learns, in the precision of GPUs: products in bfloat16, copied or sharded, with tied embeddings and without."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from transformers import LlamaConfig, LlamaForCausalLM
from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.vqa.forms import Example
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.steps import Row, Stepper, adamw
from webssl_eval.suites.vqa.students import Together, blocks_of

VISUAL = 4
ROWS = [
    Row(Example((2, 3, 4, 5, 6), (False, False, False, True, True), 2), 0),
    Row(Example((2, 3, 4, 7), (False, False, True, True), None), None),  # text only
]


@pytest.fixture
def group(tmp_path):
    dist.init_process_group("gloo", init_method=(tmp_path / "meeting").as_uri(), rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def language_model(tied: bool) -> LanguageModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    return LanguageModel(LlamaForCausalLM(config).float(), None, torch.device("cpu"), torch.float32, 1)


def losses(tied: bool, group: dist.ProcessGroup | None, bf16: bool) -> list[float]:
    projector = Projector(torch.zeros(6), torch.ones(6), 32, 0.1, 0)
    student = Together(projector, language_model(tied), VISUAL, group, bf16)
    stepper = Stepper(
        student, adamw(student.module), lambda images: torch.ones(len(images), VISUAL, 6), 2, group
    )
    found = []
    for _ in range(4):
        found.append(stepper.gradients(ROWS, len(ROWS)))
        stepper.apply(0.01)
    assert {parameter.dtype for parameter in student.module.parameters()} == {torch.float32}
    return found


@pytest.mark.parametrize("tied", [False, True], ids=["own head", "tied head"])
def test_losses_in_bfloat16_follow_those_in_float32_copied_or_sharded(tied, group):
    exact = losses(tied, None, bf16=False)
    assert exact[-1] < exact[0] - 0.5
    assert losses(tied, None, bf16=True) == pytest.approx(exact, abs=0.02)
    assert losses(tied, group, bf16=True) == pytest.approx(exact, abs=0.02)
    assert losses(tied, group, bf16=False) == pytest.approx(exact, abs=1e-4)


def test_the_blocks_of_a_model_are_its_longest_list_of_modules():
    assert len(blocks_of(language_model(False).model)) == 2
    assert blocks_of(torch.nn.Linear(2, 2)) == []
