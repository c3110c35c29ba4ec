"""Beats and their words as tuples, relative to the tick they were sent in and to the least epoch the writer knows.

Owns that shape. Invariant: a beat read back says the same to whoever hears it; lives are counted back from the present
one (0), which is LIFE. Must not know who hears it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hbcore.engine.beat import Beat, Frame, Mode, Stand, State, Verdict, Words
from tests.model.fields import DEAD, EPOCH, OLD
from tests.model.node import LIFE, SEQS, TICK, Settings


class Word(NamedTuple):
    """Words of a cluster with one group, without what never changes."""

    mode: Mode
    stand: Stand
    epoch: int
    state: State
    ready: bool
    control: Verdict
    control_age_ms: int


class Said(NamedTuple):
    """One beat. `ago`: ticks since it was sent; `seq` of its tick; `echo`: relative to that; `your`: whose nonce."""

    ago: int
    seq: int
    life: int
    your: int | None
    echo: int | None
    word: Word

    def raised(self, by: int) -> Said:
        return self._replace(word=self.word._replace(epoch=self.word.epoch + by)) if by else self

    def to_elder(self) -> Said:
        """Its receiver has begun another life since."""
        return self._replace(your=None if self.your is None else self.your - 1)


def tick_of(seq: int) -> int:
    """In which a beat of this number was sent."""
    return (seq - 1) // SEQS


class Beats:
    """`like`: words of the two nodes, from which is taken what never changes."""

    def __init__(self, settings: Settings, like: tuple[Words, Words]) -> None:
        self._settings, self._like = settings, like
        self._known: dict[tuple[int, Word], Words] = {}

    def put(self, beat: Beat, now: int, least: int) -> Said:
        frame = beat.frame
        tick = tick_of(frame.seq)
        first = tick * SEQS
        return Said(
            max(tick - now // TICK, -OLD),
            frame.seq - first,
            frame.incarnation - LIFE,
            (frame.your_nonce - 1) // 10 - LIFE if frame.your_nonce else None,
            max(frame.echo_seq - first, -(DEAD + 2) * SEQS) if frame.echo_seq else None,
            self.put_words(beat.words, least),
        )

    def get(self, said: Said, sender: int, now: int) -> Beat:
        settings = self._settings
        first = (now // TICK + said.ago) * SEQS
        frame = Frame(
            settings.config.cluster_id, sender, LIFE + said.life, 0, first + said.seq,
            settings.nonce(sender, LIFE + said.life),
            0 if said.your is None else settings.nonce(1 - sender, LIFE + said.your),
            0 if said.echo is None else first + said.echo,
        )  # fmt: skip
        return Beat(frame, self.get_words(said.word, sender))

    def put_words(self, words: Words, least: int) -> Word:
        (w,) = words.groups
        assert not w.failed and not words.rules
        age_ms = w.control_age_ms if w.control is Verdict.OK else 65535  # else it is not asked for
        return Word(words.mode, w.stand, w.epoch - least, w.state, w.ready, w.control, age_ms)

    def get_words(self, word: Word, sender: int) -> Words:
        known = self._known.get((sender, word))
        if known is None:
            like = self._like[sender]
            group = replace(
                like.groups[0], stand=word.stand, epoch=EPOCH + word.epoch, state=word.state, ready=word.ready,
                control=word.control, control_age_ms=word.control_age_ms,
            )  # fmt: skip
            known = self._known[sender, word] = replace(like, mode=word.mode, groups=(group,))
        return known
