"""Sentences of the control part of the house."""

SENTENCES: dict[str, str] = {}
