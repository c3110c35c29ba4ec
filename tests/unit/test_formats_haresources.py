"""haresources as heartbeat reads it: lines, addresses, names, and what a group weighs."""

from __future__ import annotations

import pytest

from hbcore.engine.beat import MAX_NAME
from hbcore.engine.config import Address, Severity, Weight
from hbcore.formats import address, haresources
from hbcore.formats.cluster import Texts, assemble
from hbcore.formats.ha_cf import parse as parse_ha_cf
from hbcore.formats.hbcore_yaml import parse as parse_yaml
from hbcore.formats.values import Fault

HA_CF = "node node1 node2\nmcast eth0 225.0.0.1 694 1 0\nping 10.0.0.254\n"


def read(text: str) -> tuple[haresources.GroupLine, ...]:
    groups, problems = haresources.parse(text)
    assert [p for p in problems if p.severity is Severity.ERROR] == []
    return groups


def codes(text: str, ha_cf: str = HA_CF, yaml: str = "schema: 1\n") -> list[tuple[str, int, str]]:
    """Problems of the files together."""
    ha, ha_problems = parse_ha_cf(ha_cf)
    groups, problems = haresources.parse(text)
    said, yaml_problems = parse_yaml(yaml)
    failed = [any(p.severity is Severity.ERROR for p in found) for found in (ha_problems, problems)]
    _, crossed = assemble(Texts(ha, groups, said, *failed))
    every = (*ha_problems, *problems, *yaml_problems, *crossed)
    return [(p.where.file, p.where.line, p.code) for p in every]


@pytest.mark.parametrize(
    "spec, expected",
    [
        ("10.0.0.1", Address("10.0.0.1")),
        ("10.0.0.1/1", Address("10.0.0.1", 1)),
        ("10.0.0.1/8", Address("10.0.0.1", 8)),
        ("1.0.0.1/8", Address("1.0.0.1", 8)),
        ("10.0.0.1/24/eth0", Address("10.0.0.1", 24, "eth0")),
        ("10.0.0.1/24/10.0.0.255", Address("10.0.0.1", 24, None, "10.0.0.255")),
        ("10.0.0.1/24/eth0/10.0.0.255", Address("10.0.0.1", 24, "eth0", "10.0.0.255")),
        ("10.0.0.1/24/bond0.100", Address("10.0.0.1", 24, "bond0.100")),
        ("10.0.0.0/31", Address("10.0.0.0", 31)),
        ("10.0.0.255/32/eth0", Address("10.0.0.255", 32, "eth0")),
        ("10.0.0.255/16", Address("10.0.0.255", 16)),
        ("2001:db8::5", Address("2001:db8::5")),
        ("2001:DB8:0:0:0::05/64", Address("2001:db8::5", 64)),
        ("2001:db8::5/128/bond0.100", Address("2001:db8::5", 128, "bond0.100")),
        ("fe80::1/64/eth0", Address("fe80::1", 64, "eth0")),
        ("fd00::/127", Address("fd00::", 127)),
    ],
)
def test_addresses(spec: str, expected: Address) -> None:
    assert address.parse(spec) == expected


@pytest.mark.parametrize(
    "spec, code",
    [
        ("10.0.0.1/eth0", "ip-no-mask"),
        ("10.0.0.1/24/eth0/eth1", "ip-fields"),
        ("10.0.0.1/24/eth0/10.0.0.255/x", "ip-fields"),
        ("10.0.0.1/24/10.0.0.255/10.0.0.255", "ip-fields"),
        ("10.0.0.1/0", "ip-prefix"),
        ("10.0.0.1/255.0.255.0", "ip-prefix"),
        ("10.0.0.1/+", "ip-prefix"),
        ("10.0.0.1/24/", "ip-empty-field"),
        ("10.0.0.1/24/eth0/10.0.0.0", "ip-broadcast-other"),
        ("10.0.0.1/24/a-device-with-a-long-name", "device-bad"),
        ("1.2.3.4.5", "ipv4-parts"),
        ("300.1.2.3", "ipv4-octet"),
        ("10.0.0.1/33", "ip-prefix"),
        ("0.0.0.0", "ipv4-nobody"),
        ("0.1.2.3", "ipv4-nobody"),
        ("127.0.0.1", "ipv4-nobody"),
        ("240.0.0.1", "ipv4-nobody"),
        ("255.255.255.255", "ipv4-nobody"),
    ],
)
def test_addresses_refused(spec: str, code: str) -> None:
    read = address.parse(spec)
    assert isinstance(read, Fault)
    assert read.code == code


@pytest.mark.parametrize("word", ["1.2.3.4", "1.2.3.4.5", "300.1.2.3x", "1.2.3.4/24/eth0", "1.2.3"])
def test_what_heartbeat_takes_for_an_address(word: str) -> None:
    assert address.looks_like(word)


@pytest.mark.parametrize("word", ["httpd", "a1.2.3.4", "Filesystem::1.2.3.4:/x", "bind9", "1.2", "v1.2.3"])
def test_what_heartbeat_does_not_take_for_an_address(word: str) -> None:
    assert not address.looks_like(word)


@pytest.mark.parametrize(
    "word, kind, args",
    [
        ("IPv6addr::2001:db8::5/64", "IPv6addr", ("2001:db8::5/64",)),
        ("IPv6addr::2001:DB8:0:0::5/64/eth0", "IPv6addr", ("2001:db8::5/64/eth0",)),
        ("IPv6addr::2001:db8:0:0:0:0:0:5", "IPv6addr", ("2001:db8::5",)),
        ("IPaddr2::2001:db8::5/64", "IPaddr2", ("2001:db8::5/64",)),
        ("2001:db8::5/64", "IPv6addr", ()),
        ("2001:db8:0:0:0:0:0:5", "IPv6addr", ()),
    ],
)
def test_what_follows_ipv6addr_is_read_whole(word: str, kind: str, args: tuple[str, ...]) -> None:
    (group,) = read(f"node1 {word} httpd\n")
    address = group.resources[0]
    assert (address.kind, address.args, address.agent) == (kind, args, "address")
    assert (group.name, address.name, address.address and address.address.ip) == ("2001:db8::5",) * 3
    assert [r.kind for r in group.resources[1:]] == ["httpd"]


@pytest.mark.parametrize("word", ["fade::x", "faded::1", "abcdef::0", "dead::beef-x"])
def test_scripts_with_names_of_hexadecimal_letters_stay_scripts(word: str) -> None:
    assert read(f"node1 10.0.0.1 {word}\n")[0].resources[1].agent == "script"


def test_lines_go_on_behind_a_backslash() -> None:
    text = "# groups\n\nNODE1 10.0.0.1 \\\n\tFilesystem::/dev/sdb1::/srv::ext4,ro\\\n  httpd # web\n"
    text += "node2  10.0.0.2\t named\r\n"
    first, second = read(text)
    assert (first.node, first.line, first.places) == ("node1", 3, (3, 4, 5))
    assert [r.kind for r in first.resources] == ["IPaddr", "Filesystem", "httpd"]
    assert first.resources[1].args == ("/dev/sdb1", "/srv", "ext4,ro")
    assert (second.node, second.places) == ("node2", (6, 6))


def test_a_comment_in_a_continued_line_is_warned_of() -> None:
    assert codes("node1 10.0.0.1 \\\n  httpd # web\n") == [("haresources", 2, "continuation-comment")]
    assert codes("node1 10.0.0.1 httpd # web\n") == []


def test_one_fault_in_a_continued_group_is_one_line() -> None:
    """What is left of a faulty group is not read as groups of its own."""
    assert codes("node1 10.0.0.1 \\\n  ht\u00a0tpd \\\n  named\nnode2 10.0.0.2\n") == [("haresources", 2, "odd-blank")]
    assert codes("node1 10.0.0.1\u00a0 \\\n  httpd \\\n  named\nnode2 10.0.0.2\n") == [("haresources", 1, "odd-blank")]
    assert codes("node1 10.0.0.1 \\ \n  httpd\nnode2 10.0.0.2\n") == [("haresources", 1, "continuation-then-blank")]
    assert codes("node1 10.0.0.1 \\\n\nnode2 10.0.0.2\n") == [("haresources", 1, "continuation-open")]


def test_faulty_nodes_are_not_told_again_by_every_group() -> None:
    assert codes("node1 10.0.0.1\nnode2 10.0.0.2\n", HA_CF.replace("node1 node2", "node1")) == [
        ("ha.cf", 1, "node-alone")
    ]


def test_names() -> None:
    text = (
        "node1 10.0.0.1/24 IPaddr2::10.0.0.2/24 Filesystem::/dev/a::/a::ext4 Filesystem::/dev/b::/b::ext4 mysql\n"
        "node1 Filesystem::/dev/c::/c::ext4 named\n"
        "node2 Filesystem::/dev/d::/d::ext4\n"
        "node2 IPaddr::10.0.0.3/24/eth0 httpd\n"
    )
    groups = read(text)
    assert [g.name for g in groups] == [
        "10.0.0.1",
        "Filesystem::/dev/c::/c::ext4",
        "Filesystem::/dev/d::/d::ext4",
        "10.0.0.3",
    ]
    assert [r.name for r in groups[0].resources] == [
        "10.0.0.1",
        "10.0.0.2",
        "Filesystem::/dev/a::/a::ext4",
        "Filesystem::/dev/b::/b::ext4",
        "mysql",
    ]
    assert [(r.agent, r.kind, r.args) for r in groups[0].resources[:2]] == [
        ("address", "IPaddr", ()),
        ("address", "IPaddr2", ("10.0.0.2/24",)),
    ]


def test_a_single_first_script_is_known_by_its_word_alone() -> None:
    assert [g.name for g in read("node1 Filesystem::/dev/a::/a::ext4 mysql\nnode2 httpd\n")] == ["Filesystem", "httpd"]


def test_long_names_are_bounded_and_stay_unique() -> None:
    long = "/very/long" * 10
    text = f"node1 Filesystem::{long}::/a\nnode2 Filesystem::{long}::/b\n"
    names = [g.name for g in read(text)]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= MAX_NAME for name in names)


@pytest.mark.parametrize(
    "resources, weight, of",
    [
        ("10.0.0.1", Weight.LIGHT, "10.0.0.1"),
        ("IPv6addr::2001:db8::5/64", Weight.LIGHT, "2001:db8::5"),
        ("10.0.0.1 httpd MailTo::a@b.c", Weight.LIGHT, "10.0.0.1"),
        ("10.0.0.1 mysql httpd", Weight.HEAVY, "mysql"),
        ("Filesystem::/dev/a::/a 10.0.0.1", Weight.HEAVY, "Filesystem"),
        ("10.0.0.1 frobnicator", Weight.HEAVY, "frobnicator"),
    ],
)
def test_weights(resources: str, weight: Weight, of: str) -> None:
    config, _ = assemble(Texts(parse_ha_cf(HA_CF)[0], read(f"node2 {resources}\n")))
    assert config is not None
    (group,) = config.groups
    assert (group.weight, group.weight_of, group.prefer) == (weight, of, ("node2", "node1"))
    assert (group.where.file, group.where.line) == ("haresources", 1)


def test_a_tag_decides() -> None:
    tags, _ = parse_yaml("schema: 1\ngroups:\n  2001:db8::5: {weight: light}\n  named:\n    weight: heavy\n")
    groups = read("node1 2001:db8::5/64 frobnicator\nnode2 named\n")
    config, problems = assemble(Texts(parse_ha_cf(HA_CF)[0], groups, tags))
    assert problems == ()
    assert config is not None
    assert [(g.weight, g.weight_why, g.weight_of) for g in config.groups] == [
        (Weight.LIGHT, "weight-tagged", "hbcore.yaml:3"),
        (Weight.HEAVY, "weight-tagged", "hbcore.yaml:5"),
    ]


def test_what_groups_share_is_warned_of() -> None:
    assert codes("node1 10.0.0.1 httpd\nnode2 10.0.0.2 httpd\n") == [("haresources", 2, "script-shared")]
    assert codes("node1 10.0.0.1 Filesystem::/a::/b\nnode2 10.0.0.2 Filesystem::/c::/d\n") == []


@pytest.mark.parametrize(
    "text, code",
    [
        ("backup httpd", "group-node"),
        ("node1 ht!tpd", "kind-bad"),
        ("node1 " + "x" * 65, "kind-bad"),
        ("node1 Filesystem::" + "x" * 256, "resource-long"),
        ("node1 " + " ".join(f"s{n}" for n in range(64)), "resource-many"),
        ("-node1 httpd", "node-bad"),
        ("  httpd::a", "group-no-node"),
        ("node1 IPaddr::fe80::1", "ip-family"),
        ("node1 IPv6addr::eth0", "ipv6-bad"),
        ("node1 a:b:c", "ipv6-bad"),
        ("node1 ::192.168.1.1", "ipv6-reserved"),
        ("node1 ::/0", "ipv4-nobody"),
        ("node1 2001:db8::5/0", "ipv6-prefix"),
        ("node1 2001:db8::5/ffff::", "ipv6-prefix"),
        ("node1 2001:db8::5/64/eth0:1", "device-alias"),
        ("node1 'httpd", "quotes"),
        ("node1 httpd'", "quotes"),
    ],
)
def test_the_rest_of_the_bounds(text: str, code: str) -> None:
    assert codes(text + "\n") == [("haresources", 1, code)]


def test_the_number_of_groups_is_bounded() -> None:
    assert codes("".join(f"node1 s{n}\n" for n in range(65))) == [("haresources", 65, "group-many")]


def test_names_that_look_alike_on_the_wire_are_refused() -> None:
    assert codes("node1 svc1f83d\nnode2 d-172798-x3\n") == [("haresources", 2, "group-digest")]


def test_no_group_is_warned_of() -> None:
    assert codes("# nothing yet\n") == [("haresources", 0, "no-group")]


def test_the_peers_own_address_is_no_virtual_one() -> None:
    assert codes("node1 10.0.0.2/24 httpd\n", HA_CF + "ucast eth1 10.0.0.2\n") == [("haresources", 1, "vip-is-link")]


@pytest.mark.parametrize(
    "yaml, line, code",
    [
        ("", 0, "yaml-no-schema"),
        ("- a\n", 1, "yaml-not-mapping"),
        ("groups: {}\n", 0, "yaml-no-schema"),
        ("schema: 2\n", 1, "yaml-schema"),
        ("schema: 1\nschema: 1\n", 2, "yaml-key-twice"),
        ("schema: 1\ntwo_node: fenced\n", 2, "yaml-key-later"),
        ("schema: 1\ngruops: {}\n", 2, "yaml-key-unknown"),
        ("schema: 1\ngroups: [a]\n", 2, "yaml-not-mapping"),
        ("schema: 1\ngroups:\n  10.0.0.1: heavy\n", 3, "yaml-short-weight"),
        ("schema: 1\ngroups:\n  10.0.0.1: medium\n", 3, "yaml-not-mapping"),
        ("schema: 1\ngroups:\n  10.0.0.1:\n    weight: medium\n", 4, "yaml-choice"),
        ("schema: 1\ngroups:\n  10.0.0.1:\n    takeover: manual\n", 4, "yaml-key-later"),
        ("schema: 1\ngroups:\n  10.0.0.1:\n    wieght: heavy\n", 4, "yaml-key-unknown"),
        ("schema: 1\ngroups:\n  10.0.0.2: {weight: heavy}\n", 3, "yaml-group-near"),
        ("schema: 1\ngroups:\n\t10.0.0.1: {weight: heavy}\n", 3, "yaml-syntax"),
        ("schema: 1\ngroups: {a: &x {weight: heavy}, b: *x}\n", 2, "yaml-too-clever"),
        ("schema: 1\ngroups: " + "[" * 5000 + "\n", 2, "yaml-too-clever"),
        ("schema: 1\n# b\x00d\n", 2, "yaml-character"),
        ("schema: 1\n# b\udcf6d\n", 2, "not-utf8"),
        ("schema: 1\ngroups:\n  ? [a]\n  : {weight: heavy}\n", 3, "yaml-key-not-word"),
    ],
)
def test_yaml_mistakes(yaml: str, line: int, code: str) -> None:
    assert codes("node1 10.0.0.1 httpd\n", yaml=yaml) == [("hbcore.yaml", line, code)]


def test_yaml_tags_make_no_objects() -> None:
    assert codes("node1 10.0.0.1 httpd\n", yaml="schema: !!python/object/apply:os.getpid []\n") == [
        ("hbcore.yaml", 1, "yaml-schema")
    ]
