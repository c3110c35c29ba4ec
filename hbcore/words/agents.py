"""Sentences of the agents part of the house."""

SENTENCES: dict[str, str] = {}
