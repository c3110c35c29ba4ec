"""Resources of haresources that name their class: OCF agents, systemd units, LSB scripts."""

from __future__ import annotations

import pytest

from hbcore.engine.config import Resource, Weight
from hbcore.formats import haresources
from hbcore.formats.haresources import written
from hbcore.formats.weights import weigh


def resource(word: str) -> Resource:
    (group,), problems = haresources.parse(f"node1 {word}\n")
    assert problems == ()
    (found,) = group.resources
    return found


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (
            "ocf:heartbeat:Filesystem::device=/dev/sdb1::directory=/srv",
            Resource("Filesystem", "ocf", "heartbeat:Filesystem", ("device=/dev/sdb1", "directory=/srv")),
        ),
        ("ocf:linbit:drbd::drbd_resource=r0", Resource("drbd", "ocf", "linbit:drbd", ("drbd_resource=r0",))),
        ("systemd:apache2", Resource("apache2", "systemd", "apache2.service")),
        ("systemd:apache2.service", Resource("apache2", "systemd", "apache2.service")),
        ("mariadb.service", Resource("mariadb", "systemd", "mariadb.service")),
        ("srv-data.mount", Resource("srv-data.mount", "systemd", "srv-data.mount")),
        ("systemd:postgresql@15-main", Resource("postgresql@15-main", "systemd", "postgresql@15-main.service")),
        ("lsb:mydb::fast", Resource("mydb", "lsb", "mydb", ("fast",))),
        ("httpd", Resource("httpd", "script", "httpd")),
    ],
)
def test_each_class_as_it_is_written(word: str, expected: Resource) -> None:
    assert resource(word) == expected


@pytest.mark.parametrize(
    "word", ["ocf:heartbeat:Filesystem::device=/dev/sdb1", "systemd:apache2.service", "lsb:mydb::x"]
)
def test_it_is_written_back_as_it_was(word: str) -> None:
    assert written(resource(word)) == word


@pytest.mark.parametrize(
    ("word", "weight"),
    [
        ("systemd:apache2", Weight.LIGHT),
        ("ocf:heartbeat:apache", Weight.LIGHT),
        ("lsb:nginx", Weight.LIGHT),
        ("systemd:mariadb", Weight.HEAVY),
        ("ocf:heartbeat:Filesystem::device=/dev/sdb1", Weight.HEAVY),
        ("apache2.socket", Weight.HEAVY),
    ],
)
def test_what_is_light_is_so_in_every_class(word: str, weight: Weight) -> None:
    assert weigh([resource(word)])[0] is weight
