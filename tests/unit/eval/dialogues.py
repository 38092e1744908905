"""Conversations as rows of LLaVA's layout hold them."""

from __future__ import annotations


def said(*texts: str, roles: tuple[str, str] = ("human", "gpt")) -> list[dict[str, str]]:
    return [{"from": roles[place % 2], "value": text} for place, text in enumerate(texts)]
