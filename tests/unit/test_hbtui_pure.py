"""The window's pure parts: sparkline scale, figures, filter, wrapping, rows, detail, header, keymap."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hbcore.control.schema import Effect, Group, Said, Status
from hbtui import detail, figures, filter, header, keymap, once
from hbtui.glyphs import ASCII, UNICODE, Glyphs, choose
from hbtui.rows import Row, View, event_rows, group_rows, node_rows
from hbtui.spark import CELL_S, CELLS, LOST, History, spark, step
from hbtui.store import Source
from hbtui.wrap import wrap
from screens.plan import effect_done
from tests.tui.fixtures import ONE, TWO, Cluster, many, troubled, two_nodes


def text_of(rows: list[Row]) -> list[str]:
    return [" ".join("".join(text for text, _ in cell) for cell in row.cells) for row in rows]


# --- sparkline ---


def test_scale_is_fixed_and_logarithmic() -> None:
    assert step(0.05, 500, 8) == 0 and step(0.1, 500, 8) == 0
    assert step(500, 500, 8) == 7 and step(90_000, 500, 8) == 7
    steps = [step(ms, 500, 8) for ms in (0.1, 0.3, 0.9, 2.5, 7.5, 21, 60, 200)]
    assert steps == list(range(8)), "each step is about a factor of 2.9"
    # 1 ms of noise stays low whatever else is in the window
    assert spark([0.4, 0.5, 0.4], UNICODE, 250, 500) == (("▂▂▂", "ok"),)


def test_tones_step_at_warntime_and_deadtime() -> None:
    runs = spark([None, 1.0, 250.0, 499.0, 500.0, LOST], UNICODE, 250, 500)
    assert [tone for _, tone in runs] == ["muted", "ok", "warn", "bad"]
    assert runs[0][0] == " " and runs[-1][0] == "█×"
    assert spark([LOST], ASCII, 250, 500) == (("x", "bad"),)


def test_history_keeps_the_worst_of_a_window_and_leaves_gaps() -> None:
    history = History()
    for at, rtt in ((0.0, 1.0), (1.0, 9.0), (4.9, 2.0), (5.0, 3.0), (15.0, LOST), (16.0, None)):
        history.add(at, rtt)
    assert history.cells(16.0, 4) == [9.0, 3.0, None, LOST]
    assert history.cells(100.0, 3) == [None, None, None]
    for number in range(10_000):
        history.add(number * CELL_S, 1.0)
    assert len(history.cells(10_000 * CELL_S, CELLS)) == CELLS


# --- figures ---


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-3, "0s"), (8.9, "8s"), (125, "2m05s"), (11_220, "3h07m"), (273_600, "3d04h"), (35_600_000, "412d")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert figures.duration(seconds) == text and len(text) <= 6


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "-"), (0.04, "0.04 ms"), (0.41, "0.4 ms"), (38.12, "38.1 ms"), (412, "412 ms"), (1234, "1.2 s")],
)
def test_latencies(ms: float | None, text: str) -> None:
    assert figures.latency(ms) == text and len(text) <= 8


def test_a_timing_in_a_status_is_read_back() -> None:
    assert [figures.milliseconds(t) for t in ("500 ms", "12 s", "0.5s", "2", "on", "-1 s", "1e9")] == [
        500.0, 12_000.0, 500.0, 2000.0, None, None, None,
    ]  # fmt: skip


def test_short_names_only_where_they_stay_distinct() -> None:
    assert figures.short_names([ONE, TWO]) == {ONE: "node1", TWO: "node2"}
    assert figures.short_names(["a.x", "a.y"]) == {"a.x": "a.x", "a.y": "a.y"}
    assert figures.short_names(["10.0.0.1", "10.0.0.2"]) == {"10.0.0.1": "10.0.0.1", "10.0.0.2": "10.0.0.2"}
    assert figures.short_names(["n1", "n2"]) == {"n1": "n1", "n2": "n2"}


def test_sentences_take_short_names_only_for_whole_names() -> None:
    short = figures.short_names([ONE, TWO])
    assert figures.shorten(f"{ONE}: run `hbctl online {TWO}`.", short) == "node1: run `hbctl online node2`."
    for kept in (f"my{ONE}", f"www.{ONE}", f"{ONE}-old", f"x-{ONE}", "node1"):
        assert figures.shorten(kept, short) == kept
    assert figures.shorten("a.x and a.y", figures.short_names(["a.x", "a.y"])) == "a.x and a.y"


# --- filter ---

FIELDS = {"name": "db/postgres", "state": "failed", "node": "hb2", "home": "hb1", "moved": "yes", "kind": "group"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("post", True), ("POST", True), ("!post", False), ("p.st", True), ("[", False), ("!", False), ("yes", False),
        ("state:failed node:hb2", True), ("state:failed node:hb1", False), ("!state:started", True),
        ("moved:yes", True), ("nosuch:x", False),
    ],
)  # fmt: skip
def test_filter_language(text: str, kept: bool) -> None:
    keep = filter.parse(text)
    assert keep is not None and keep(FIELDS) is kept


@given(st.text(max_size=60))
def test_any_text_is_a_filter(text: str) -> None:
    keep = filter.parse(text)
    assert (keep is None) == (not text.split())
    if keep is not None:
        keep(FIELDS)


def test_a_group_stays_with_the_resource_that_matches() -> None:
    status = many(4, 6, 3)
    rows = group_rows(status, View(UNICODE, keep=filter.parse("res-002-1")))
    assert [row.key for row in rows if not row.note] == ["group:group-002", "resource:group-002/res-002-1"]


# --- wrapping ---


@given(
    st.lists(st.text(alphabet="ab 节é-", max_size=40).map(lambda t: (t, "text")), min_size=1, max_size=5),
    st.integers(min_value=4, max_value=50),
)
def test_wrap_loses_nothing_and_stays_inside(runs: list[tuple[str, str]], width: int) -> None:
    lines = wrap(tuple(runs), width)
    assert all(cell_len("".join(t for t, _ in line)) <= max(width, 2) for line in lines)
    squeezed = "".join("".join(t for t, _ in line) for line in lines).replace(" ", "")
    assert squeezed == "".join(t for t, _ in runs).replace(" ", "")


def test_wrap_hangs_under_the_label() -> None:
    lines = wrap((("label    ", "muted"), ("one two three four five six", "text")), 27)
    assert ["".join(t for t, _ in line) for line in lines] == ["label    one two three four", "         five six"]
    lines = wrap((("! ", "warn"), ("it stays there for 8 h at most", "text")), 23)
    assert ["".join(t for t, _ in line) for line in lines] == ["! it stays there for ", "  8 h at most"]


# --- rows ---


def test_rows_of_the_healthy_cluster() -> None:
    status, view = two_nodes(), View(UNICODE, width=56)
    nodes = text_of(node_rows(status, view))
    assert nodes[0].startswith("✔ node1") and "self" in nodes[0]
    assert "two-way" in nodes[1] and "✔ eth0 mcast up" in nodes[2] and "0.4 ms" in nodes[2]
    assert nodes[3].startswith("~ 192.168.100.254 up ping")
    groups = text_of(group_rows(status, view))
    assert groups[0].startswith("▾ ✔ 192.168.100.100 started node1") and groups[0].endswith("3h07m")
    assert "httpd started node1" in groups[2] and "comes first in haresources" in groups[3]
    assert group_rows(status, view) == group_rows(two_nodes(status.at), view), "equal input, equal rows"


def test_a_moved_group_shows_home_and_pin() -> None:
    rows = text_of(group_rows(troubled(), View(UNICODE, width=56)))
    assert "node2 ⇄ node1" in rows[0]
    assert "pinned to node2 by root until 17:00 UTC" in rows[1]


def test_folded_groups_show_one_row_unless_something_is_wrong() -> None:
    status = many(2, 3, 4)
    assert len(group_rows(status, View(UNICODE, folded=lambda name: True))) == 3
    broken = msgspec.structs.replace(status.groups[0], state="blocked", why=[Said(code="w", text="fence or confirm")])
    status = msgspec.structs.replace(status, groups=[broken, *status.groups[1:]])
    rows = text_of(group_rows(status, View(UNICODE, folded=lambda name: True)))
    assert "BLOCKED" in rows[0] and "fence or confirm" in rows[1]


def test_keys_of_rows_are_unique() -> None:
    for status in (two_nodes(), troubled(), many(5, 9, 3)):
        view = View(UNICODE)
        for rows in (node_rows(status, view), group_rows(status, view)):
            assert len({row.key for row in rows}) == len(rows)
    cluster = Cluster(two_nodes())
    for _ in range(3):
        cluster.say("link", "again")
    assert len({row.key for row in event_rows(cluster.log, View(UNICODE), [])}) == 4


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_glyph_is_one_cell(glyphs: Glyphs) -> None:
    for name in (
        "ok",
        "bad",
        "warn",
        "busy",
        "pause",
        "off",
        "unknown",
        "fence",
        "moved",
        "ping",
        "open",
        "shut",
        "lost",
    ):
        assert cell_len(glyphs[name]) == 1, name
    assert len(glyphs.ramp) == 8
    assert choose("auto", "ISO-8859-1", {}) is ASCII and choose("auto", "UTF-8", {}) is UNICODE
    assert choose("auto", "UTF-8", {"HBTUI_GLYPHS": "ascii"}) is ASCII


# --- detail and protection ---


@pytest.mark.parametrize("make", [two_nodes, troubled])
def test_every_row_has_a_detail(make: object) -> None:
    status: Status = make()  # type: ignore[operator]
    cluster, view = Cluster(status), View(UNICODE)
    rows = [*node_rows(status, view), *group_rows(status, view), *event_rows(cluster.log, view, [])]
    for row in rows:
        if not row.note:
            lines = detail.page(status, cluster.log, row.key, view)
            assert len(lines) >= 3, row.key
            assert "no longer part" not in str(lines)
    assert "no longer part" in str(detail.detail(status, [], "group:gone", view))


def test_protection_spells_out_holes_and_our_values() -> None:
    said = "\n".join("".join(t for t, _ in line) for line in detail.protection(two_nodes(), View(UNICODE)))
    for wanted in ("classic: ", "H1:", "H7:", "keepalive 100 ms (heartbeat 1 s)", "deadtime 500 ms", "mcast eth0"):
        assert wanted in said
    bare = msgspec.structs.replace(two_nodes(), values=[], protection=msgspec.structs.replace(
        two_nodes().protection, level="full", holes=[]))  # fmt: skip
    assert "no known hole" in str(detail.protection(bare, View(UNICODE)))


# --- header ---


def test_freshness_in_words() -> None:
    source = Source("x", phase="live", status=two_nodes(), received=100.0)
    assert header.freshness(source, 100.3) == ("live 0.3 s", "ok")
    assert header.freshness(source, 102.9)[0] == "live 2.9 s"
    assert header.freshness(source, 104.2) == ("stale 4.2 s", "alarm")
    source.phase, source.retry_at = "lost", 107.0
    assert header.freshness(source, 105.0)[0] == "reconnecting in 2 s, data 5.0 s old"
    assert header.freshness(source, 107.0)[0] == "reconnecting now, data 7.0 s old"
    source.retry_at = math.inf
    assert header.freshness(source, 107.0)[0].startswith("disconnected")
    assert header.freshness(Source("x"), 0.0) == ("connecting", "warn")


@pytest.mark.parametrize("width", [12, 40, 60, 80, 100, 120, 200])
def test_the_age_is_never_dropped_from_the_top_line(width: int) -> None:
    source = Source("x", phase="live", role="operator", node=ONE, transport="ssh", status=two_nodes(), received=100.0)
    other = Source("y", phase="lost", node=TWO, retry_at=200.0)
    runs = header.top_line([source, other], source, 100.3, 0.0, UNICODE, width)
    text = "".join(t for t, _ in runs)
    assert "live 0.3 s" in text
    if width >= 60:
        assert cell_len(text) <= width
    if width >= 100:
        assert "OPERATOR" in text and "ssh node1" in text and "node2 reconnecting in" in text


@pytest.mark.parametrize("width", range(60, 130))
def test_the_other_nodes_keep_their_distance(width: int) -> None:
    source = Source("x", phase="live", role="admin", node=ONE, transport="local", status=two_nodes(), received=100.0)
    other = Source("y", phase="live", role="admin", node=TWO, status=two_nodes(), received=100.0)
    text = "".join(t for t, _ in header.top_line([source, other], source, 100.3, 0.0, UNICODE, width))
    assert "ADMIN" not in text or "  ADMIN" in text, text


def test_alarms_worst_first_and_counted() -> None:
    base = troubled()
    quiet = msgspec.structs.replace(base.alarms[0], text="quiet", severity="warning", since=base.at)
    status = msgspec.structs.replace(base, alarms=[quiet, quiet, *base.alarms])
    lines = ["".join(t for t, _ in line) for line in header.alarm_lines(status, UNICODE, 0.0, 1, 80)]
    assert "one-way on every link" in lines[0] and "+2 more" in lines[0] and len(lines) == 1


# --- the plan's progress ---


def test_effects_are_done_when_the_status_shows_them() -> None:
    status = two_nodes()
    group: Group = status.groups[0]
    stop, start = Effect(kind="stop", subject=group.name, node=ONE), Effect(kind="start", subject=group.name, node=TWO)
    move = Effect(kind="move", subject=group.name, node=ONE, to=TWO)
    assert [effect_done(e, status) for e in (stop, start, move)] == [False, False, False]
    on_two = msgspec.structs.replace(status, groups=[msgspec.structs.replace(group, node=TWO)])
    assert [effect_done(e, on_two) for e in (stop, start, move)] == [True, True, True]
    unknown = msgspec.structs.replace(status, groups=[msgspec.structs.replace(group, state="unknown", node=TWO)])
    assert effect_done(move, unknown) is False, "unknown is not started"
    assert effect_done(Effect(kind="rule", subject=group.name), status) is None


# --- keymap ---

EATEN = {"ctrl+a", "ctrl+b", "ctrl+d", "ctrl+k", "ctrl+s", "ctrl+z", "ctrl+space", "ctrl+o", "f10", "f11"}


def test_ids_are_unique_and_keys_do_not_clash_or_get_eaten() -> None:
    assert len(keymap.BY_ID) == len(keymap.KEYS)
    keys = [key for each in keymap.KEYS for key in each.keys.split(",")]
    assert len(keys) == len(set(keys))
    assert not EATEN & set(keys)
    letters = [each for each in keymap.KEYS if each.mutates]
    assert {each.id for each in letters} >= {"node.standby", "group.takeover", "group.move", "node.fence"}
    assert not any(key.startswith("ctrl") for each in letters for key in each.keys.split(","))


def test_text_report_is_plain() -> None:
    for status in (two_nodes(), troubled(), many(3, 2, 2)):
        text = once.report(status, Cluster(status).log, UNICODE)
        assert "\x1b" not in text and "joined the cluster" in text
        assert all(line == line.rstrip() for line in text.splitlines())
