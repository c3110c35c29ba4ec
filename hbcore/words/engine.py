"""Sentences of the engine part of the house."""

SENTENCES: dict[str, str] = {}
