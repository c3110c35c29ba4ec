"""Sentences of the lab part of the house."""

SENTENCES: dict[str, str] = {}
