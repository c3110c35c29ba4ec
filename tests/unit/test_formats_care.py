"""How each resource is looked after, as hbcore.yaml says it."""

from __future__ import annotations

import pytest

from hbcore.engine.config import CARE, SECOND, Care, OnFail
from tests.unit.test_formats_profiles import accepted, told


def cares(yaml: str, groups: str = "node1 10.0.0.1 httpd mysql\n") -> list[Care]:
    (group,) = accepted("", yaml, groups).groups
    return [r.care for r in group.resources if r.address is None]


def tagged(care: str) -> str:
    return f"groups:\n  10.0.0.1:\n    weight: light\n    resources:\n      httpd: {care}\n"


def test_what_is_said_counts_and_the_rest_is_as_it_ever_is() -> None:
    httpd, mysql = cares(tagged("{monitor: 30, stop: 120, status: 500ms, restarts: 0, forget: 3600, on_fail: move}"))
    assert httpd == Care(30 * SECOND, 60 * SECOND, 120 * SECOND, SECOND // 2, 0, 3600 * SECOND, OnFail.MOVE)
    assert mysql == CARE


def test_a_resource_that_is_never_asked() -> None:
    assert cares(tagged("{monitor: never}"))[0] == Care(monitor_ns=0)


def test_care_alone_is_enough_for_a_group_to_be_named() -> None:
    assert cares("groups:\n  10.0.0.1:\n    resources: {mysql: {start: 300}}\n")[1].start_ns == 300 * SECOND


def test_care_is_part_of_the_definition_and_none_leaves_it_as_it_was() -> None:
    def digest(yaml: str) -> int:
        (group,) = accepted("", yaml, "node1 10.0.0.1 httpd mysql\n").groups
        return group.digest()

    plain = digest("groups:\n  10.0.0.1: {weight: light}\n")
    assert digest(tagged("{monitor: 10}")) == plain, "said, and as it ever is"
    assert digest(tagged("{monitor: 11}")) != plain != digest(tagged("{on_fail: ignore}"))


@pytest.mark.parametrize(
    ("care", "words"),
    [
        ("{monitor: 100ms}", "more often than once a second"),
        ("{monitor: 2m}", "write 120"),
        ("{monitor: 0}", "monitor"),
        ("{start: }", "start"),
        ("{stop: soon}", "soon"),
        ("{restarts: -1}", "restarts"),
        ("{restarts: many}", "many"),
        ("{on_fail: reboot}", "restart, move, ignore"),
        ("{onfail: move}", "on_fail"),
        ("{interval: 10}", "no key interval"),
        ("move", "key: value"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(care: str, words: str) -> None:
    (text,) = told("", tagged(care), "node1 10.0.0.1 httpd mysql\n")
    assert text.startswith("hbcore.yaml:6: ") and words in text, text


def test_a_resource_the_group_has_not_is_told_with_the_nearest() -> None:
    yaml = "groups:\n  10.0.0.1:\n    resources:\n      htpd: {monitor: 30}\n      10.0.0.1: {monitor: 30}\n"
    near, address = told("", yaml)
    assert near == "hbcore.yaml:5: group 10.0.0.1 has no resource htpd: the nearest is httpd"
    assert address.startswith("hbcore.yaml:6: 10.0.0.1 is an address")
