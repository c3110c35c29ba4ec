"""Sentences of the cli part of the house."""

SENTENCES: dict[str, str] = {}
