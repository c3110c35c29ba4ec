"""Properties: no text crashes a parser, and what is valid means the same however it is written down."""

from __future__ import annotations

import random
import re
from ipaddress import IPv6Address
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hbcore.cli.preflight import as_json, render
from hbcore.engine.config import MS, Media, Problem, Severity
from hbcore.engine.keys import Key, Keyring, Method
from hbcore.formats import address, authkeys, ha_cf, haresources, hbcore_yaml
from hbcore.formats.cluster import Texts, assemble
from hbcore.formats.directives import KNOWN
from hbcore.formats.load import load
from hbcore.formats.text import MAX_PROBLEMS
from hbcore.formats.values import Fault, spell, time_ns
from tests.unit.mistakes import BASE, MISTAKES

WORDS = [
    *sorted(KNOWN), "auth", "sha1", "crc", "node1", "node2", "eth0", "225.0.0.1", "694", "1", "0", "\\", "\\\n", "::",
    "/24", "#", "\\#", "10.0.0.1", "10.0.0.1/24/eth0", "Filesystem::/dev/a::/b", "httpd", "\u00a0", "\u201c", "\udcff",
    "\ufeff", "\x00", "=", "schema: 1", "groups:", "{weight: light}", "&a", "*a", "[", "- ", "? ", "!!int", "%YAML 1.2",
    "guard:", "profile: fast", "timing:", "---", "...", "fe80::1", "IPv6addr::", "2001:db8::5/64/eth0", "%eth0", "\r",
    "\u2028",
]  # fmt: skip
# Words of the formats in any order are likelier to reach deep than any characters are.
SALAD = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=40).flatmap(
    lambda words: st.lists(
        st.sampled_from([" ", "\n", "\t", "", ",", "\r\n"]), min_size=len(words), max_size=len(words)
    ).map(lambda blanks: "".join(w + b for w, b in zip(words, blanks, strict=True)))
)
ANY = st.one_of(st.text(st.characters(), max_size=300), SALAD)  # st.characters() holds lone surrogates, too


def mutated(seed: int, text: str) -> str:
    """A text with a few characters lost, doubled, swapped or replaced."""
    dice = random.Random(seed)
    characters = list(text)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(characters) + 1)
        characters[at : at + dice.choice((0, 1, 1, 3))] = dice.choice(
            ["", "", " ", "\n", "#", "\\", "\u00a0", "9", "::", "/"]
        )
    return "".join(characters)


def sane(problems: tuple[Problem, ...], text: str) -> None:
    """Bounded, placed within the file, sayable on one line."""
    assert len(problems) <= MAX_PROBLEMS + 1
    lines = text.count("\n") + 1
    assert all(0 <= p.where.line <= lines for p in problems)
    for line in render(problems):
        assert "\n" not in line
        assert line.isprintable()
        assert "{" not in line.replace("{weight", "") or "{" in text
        assert len(line) < 1000
    assert len(as_json(problems)) == len(problems)


@settings(max_examples=300)
@given(ANY)
def test_no_text_crashes_a_parser(text: str) -> None:
    for parse in (ha_cf.parse, authkeys.parse, haresources.parse, hbcore_yaml.parse):
        first = parse(text)
        sane(first[1], text)
        assert parse(text) == first


@settings(max_examples=300)
@given(st.integers(0), st.sampled_from([BASE, *(m.files for m in MISTAKES)]), st.sampled_from(sorted(BASE)))
def test_no_mutation_of_a_file_crashes_what_reads_all(seed: int, base: dict[str, str], file: str) -> None:
    files = {**base, file: mutated(seed, base[file])}
    ha, ha_problems = ha_cf.parse(files["ha.cf"])
    groups, problems = haresources.parse(files["haresources"])
    yaml, yaml_problems = hbcore_yaml.parse(files["hbcore.yaml"])
    sane(authkeys.parse(files["authkeys"])[1], files["authkeys"])
    failed = [any(p.severity is Severity.ERROR for p in found) for found in (ha_problems, problems)]
    config, crossed = assemble(Texts(ha, groups, yaml, *failed), "node1")
    every = (*ha_problems, *problems, *yaml_problems, *crossed)
    assert (config is None) <= any(p.severity is Severity.ERROR for p in every)  # never refused in silence
    longest = max(files.values(), key=lambda t: t.count("\n"))
    sane(every, longest + "".join(files.values()).replace("\n", ""))  # a sentence may show what stands in any of them


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
@example(b"\xff\xfea\x00")
@example(b"\xef\xbb\xbfnode a b\n")
@example(b"node \xff\n")
@example(b"\x00" * 100)
def test_no_bytes_crash_load(tmp_path: Path, data: bytes) -> None:
    for name in BASE:
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    loaded = load(tmp_path, "node1")
    assert loaded.config is None
    assert render(loaded.problems) != []


# -- what is valid reads back ---------------------------------------------------------------------------------------

NAME = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
OCTET = st.integers(1, 254)
IP = st.builds(lambda a, b, c, d: f"{a}.{b}.{c}.{d}", st.integers(1, 126), OCTET, OCTET, OCTET)
DEVICE = st.from_regex(r"(eth|bond|en)[0-9]{1,2}(\.[0-9]{1,3})?", fullmatch=True)
BLANK = st.sampled_from([" ", "\t", "  ", " \t "])
END = st.sampled_from(["\n", "\r\n", " \n", "   # a comment, with words\n", "\n\n", "\n# node x\n"])


@st.composite
def written(draw: st.DrawFn, lines: list[list[str]], ends: st.SearchStrategy[str] = END) -> str:
    """Lines of words, with blanks, comments and line ends as people make them."""
    text = ""
    for words in lines:
        text += draw(st.sampled_from(["", " ", "\t"]))
        for n, word in enumerate(words):
            text += (draw(BLANK) if n else "") + word
        text += draw(ends)
    return text


@settings(max_examples=80)
@given(st.data())
def test_a_valid_ha_cf_reads_back(data: st.DataObject) -> None:
    nodes = data.draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
    pings = data.draw(st.lists(IP, max_size=3, unique=True))
    media = data.draw(
        st.lists(
            st.tuples(DEVICE, OCTET, st.integers(1, 65535), st.integers(1, 4), st.booleans()),
            min_size=1,
            max_size=4,
            unique_by=lambda m: m[:2],
        )
    )
    keepalive = data.draw(st.integers(10, 5000))
    times = {"keepalive": keepalive * MS, "deadtime": (keepalive * 5 + 500) * MS}
    failback = data.draw(st.booleans())
    lines = [["node", *nodes], ["auto_failback", "on" if failback else "off"]]
    lines += [["ping", *pings]] if pings else []
    lines += [["mcast", dev, f"225.0.1.{n}", str(port), str(ttl), str(int(loop))] for dev, n, port, ttl, loop in media]
    lines += [[option, spell(ns)] for option, ns in times.items()]
    parsed, problems = ha_cf.parse(data.draw(written(data.draw(st.permutations(lines)))))
    assert problems == ()
    assert [n.word for n in parsed.nodes] == nodes
    assert [p.word for p in parsed.pings] == pings
    assert sorted((o.device, o.target, o.port, o.ttl, o.loop) for o in parsed.links) == sorted(
        (dev, f"225.0.1.{n}", port, ttl, loop) for dev, n, port, ttl, loop in media
    )
    assert len({o.name for o in parsed.links}) == len(media)
    assert all(o.media is Media.MCAST for o in parsed.links)
    assert {option: ns for option, (ns, _) in parsed.times.items()} == times
    assert parsed.auto_failback is failback


KEY_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64).filter(
    lambda key: key[0] not in "#\"'`" and key[-1] not in "\"'`"
)


@settings(max_examples=80)
@given(st.data())
def test_a_valid_authkeys_reads_back(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 15), min_size=1, max_size=16, unique=True))
    keys = []
    for number in numbers:
        method = data.draw(st.sampled_from(Method))
        keys.append(Key(number, method, b"" if method is Method.CRC else data.draw(KEY_TEXT).encode()))
    lines = [["auth", str(numbers[-1])]]
    lines += [[str(k.id), str(k.method), *([k.secret.decode()] if k.secret else [])] for k in keys]
    text = data.draw(written(lines, st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\n  # a comment\n"])))
    read, problems = authkeys.parse(text)
    assert [p for p in problems if p.severity is Severity.ERROR] == []
    assert read == Keyring(numbers[-1], tuple(sorted(keys, key=lambda k: k.id)))


WORD = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True).filter(
    lambda w: (
        w.lower() not in ("ipaddr", "ipaddr2", "ipv6addr", *haresources.CLASSES, *haresources.FOREIGN_CLASSES)
        and not re.fullmatch("[0-9A-Fa-f]{1,4}", w)
    )  # A::0 is an IPv6 address, too
)
ARG = st.from_regex(r"[A-Za-z0-9/.,_=@-]{1,12}", fullmatch=True)


@settings(max_examples=80)
@given(st.data())
def test_a_valid_haresources_reads_back(data: st.DataObject) -> None:
    firsts = data.draw(st.lists(IP, min_size=1, max_size=5, unique=True))
    lines, expected = [], []
    for first in firsts:
        rest = data.draw(st.lists(st.tuples(WORD, st.lists(ARG, max_size=3).map(tuple)), max_size=5, unique=True))
        node = data.draw(st.sampled_from(["node1", "node2"]))
        words = [first, *("::".join((kind, *args)) for kind, args in rest)]
        cut = data.draw(st.integers(0, len(words) - 1))
        lines.append(
            [node, *words[:cut], *([words[cut] + " \\\n"] if cut < len(words) - 1 else [words[cut]]), *words[cut + 1 :]]
        )
        expected.append((node, first, rest))
    text = data.draw(written(lines, st.sampled_from(["\n", "\n\n", " \n", "\n# words\n"])))
    groups, problems = haresources.parse(text)
    assert problems == ()
    assert [(g.node, g.name, [(r.kind, r.args) for r in g.resources[1:]]) for g in groups] == expected
    for group in groups:
        assert len({r.name for r in group.resources}) == len(group.resources)


@given(st.integers(1, 10**15))
def test_times_read_back(us: int) -> None:
    read = time_ns(spell(us * 1000))
    assert read == us * 1000 or isinstance(read, Fault)


@given(st.text(max_size=40))
def test_no_word_crashes_the_address(word: str) -> None:
    address.looks_like(word)
    address.looks_like_ipv6(word)
    for parse in (address.parse, address.parse_ipv6):
        read = parse(word)
        if not isinstance(read, Fault):
            fields = [read.ip, *(str(f) for f in (read.prefix, read.device, read.broadcast) if f is not None)]
            assert parse("/".join(fields)) == read


@given(st.ip_addresses(v=6), st.sampled_from(["exploded", "compressed", "upper"]), st.integers(1, 128))
def test_every_spelling_of_an_ipv6_address_is_one_address(ip: IPv6Address, how: str, prefix: int) -> None:
    text = ip.exploded if how == "exploded" else str(ip).upper() if how == "upper" else str(ip)
    read = address.parse(f"{text}/{prefix}/eth0")
    if isinstance(read, Fault):
        assert read.code in ("ipv4-multicast", "ipv4-nobody", "ipv6-mapped", "ipv6-reserved", "ip-is-network")
    else:
        assert (read.ip, read.prefix, read.device) == (str(ip), prefix, "eth0")
        (group,), problems = haresources.parse(f"node1 IPv6addr::{text}/{prefix}/eth0\n")
        assert (group.resources[0].address, problems) == (read, ())
