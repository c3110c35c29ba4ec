"""The operator's standing words in one book, and in two that hear of each other."""

from __future__ import annotations

from hbcore.engine.beat import MAX_REASON, MAX_RULES, Rule
from hbcore.engine.rules import MAX_KEPT, RuleBook


def rule(version: int, value: str = "standby", by: str = "root", *, subject: str = "node1") -> Rule:
    return Rule("mode", subject, value, version, 0, 0, by, "")


def test_a_word_is_newer_than_all_that_are_known_and_says_no_more_than_it_was_given() -> None:
    book = RuleBook([rule(7)])
    assert book.put("pin", "web", "node2", now_s=100)
    assert book.get("pin", "web") == Rule("pin", "web", "node2", 8, 100, 0, "", "")
    assert book.put("pin", "web", "node1", now_s=101, by="b" * 99, reason="r" * 999, expires_s=200)
    assert book.get("pin", "web") == Rule("pin", "web", "node1", 9, 101, 200, "b" * 64, "r" * MAX_REASON)
    assert book.put("pin", "web", "node1", now_s=102), "who says it again starts its time again"
    assert book.clock == 10


def test_what_is_not_there_is_not_taken_away() -> None:
    book = RuleBook()
    assert not book.put("pin", "web", "", now_s=100) and book.all() == ()
    assert book.put("pin", "web", "node1", now_s=100) and book.put("pin", "web", "", now_s=101)
    assert not book.put("pin", "web", "", now_s=102) and book.clock == 2
    assert book.value("pin", "web") == book.value("pin", "mail") == ""


def test_the_higher_version_wins_and_of_equal_ones_both_take_the_same() -> None:
    book = RuleBook([rule(5)])
    before = book.digest()
    assert not book.merge([rule(4, ""), rule(5), rule(5, "")]) and book.all() == (rule(5),)
    assert book.digest() == before
    assert book.merge([rule(4, ""), rule(6, "")]) and book.all() == (rule(6, ""),)
    assert book.digest() != before
    one, two = RuleBook([rule(7, by="ann")]), RuleBook([rule(7, by="bob")])
    shared = one.share(0), two.share(0)
    assert one.merge(shared[1]) and not two.merge(shared[0])
    assert one.all() == two.all() == (rule(7, by="bob"),)


def test_a_full_book_takes_no_new_subject_but_what_is_newer_of_the_others() -> None:
    book = RuleBook()
    assert book.merge([rule(1, subject=f"n{n}") for n in range(MAX_KEPT + 1)])
    assert len(book.all()) == MAX_KEPT and book.get("mode", f"n{MAX_KEPT}") is None
    assert not book.merge([rule(1, subject="another")])
    assert book.merge([rule(2, subject="another"), rule(2, subject="n0")])
    assert book.get("mode", "n0") == rule(2, subject="n0") and len(book.all()) == MAX_KEPT


def test_a_word_whose_time_is_over_is_taken_back_by_a_newer_one() -> None:
    book = RuleBook([rule(3)])
    book.put("pin", "web", "node2", now_s=100, expires_s=200)
    book.expire(199, "node1")
    assert book.value("pin", "web") == "node2"
    book.expire(200, "node1")
    assert book.get("pin", "web") == Rule("pin", "web", "", 5, 200, 0, "node1", "")
    book.expire(201, "node1")
    assert book.clock == 5 and book.value("mode", "node1") == "standby", "what has no end stays"


def test_of_a_long_book_each_beat_has_a_part_and_each_rule_its_turn() -> None:
    rules = [rule(1, subject=f"n{n}") for n in range(MAX_RULES)]
    assert RuleBook(rules).share(7) == RuleBook(rules).all()
    book = RuleBook([*rules, *(rule(1, subject=f"m{n}") for n in range(5))])
    parts = [book.share(turn) for turn in range(21)]
    assert {len(part) for part in parts} == {MAX_RULES} and parts[0] != parts[1]
    assert {one for part in parts[:2] for one in part} == set(book.all())
