"""Sentences of the config part of the house."""

SENTENCES: dict[str, str] = {}
