"""Pretrained causal language models: found by name, brought to local disk, loaded frozen."""

from webssl_eval.language_models.load import LanguageModel, load_language_model
from webssl_eval.language_models.prefixes import Prefixes
from webssl_eval.language_models.source import contents_of, identity_of, local_folder

__all__ = ["LanguageModel", "Prefixes", "contents_of", "identity_of", "load_language_model", "local_folder"]
