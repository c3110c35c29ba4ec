"""Times and guards from two files: who may say what, and that what `check` offers instead is then accepted.

Must not know how a lease is worked out: only what is accepted, and what is said.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hbcore.cli.preflight import render
from hbcore.engine.config import MS, SECOND, Chosen, ClusterConfig, Guard, Problem, Severity, Timing
from hbcore.engine.lease import PROFILES
from hbcore.formats import ha_cf, haresources, hbcore_yaml, values
from hbcore.formats.cluster import Texts, assemble

HA_CF = "node node1 node2\nmcast eth0 225.0.0.1 694 1 0\nping 10.0.0.254\n"  # times begin in line 4
LIGHT = "node1 10.0.0.1 httpd\n"


def read(times: str, yaml: str, groups: str = LIGHT) -> tuple[ClusterConfig | None, tuple[Problem, ...]]:
    """`yaml`: what follows the schema, from line 2 on."""
    ha, ha_problems = ha_cf.parse(HA_CF + times)
    lines, res_problems = haresources.parse(groups)
    said, yaml_problems = hbcore_yaml.parse("schema: 1\n" + yaml)
    config, crossed = assemble(Texts(ha, lines, said))
    return config, (*ha_problems, *res_problems, *yaml_problems, *crossed)


def accepted(times: str, yaml: str, groups: str = LIGHT) -> ClusterConfig:
    config, problems = read(times, yaml, groups)
    assert problems == ()
    assert config is not None
    return config


def told(times: str, yaml: str, groups: str = LIGHT) -> list[str]:
    _, problems = read(times, yaml, groups)
    return render(p for p in problems if p.severity is Severity.ERROR)


# -- profiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_gives_all_times_and_is_named(profile: str) -> None:
    config = accepted("", f"profile: {profile}\n")
    assert config.timing == PROFILES[profile]
    assert {c.profile for c in config.chosen} == {profile}
    assert [c.option for c in config.chosen] == [
        "keepalive", "warntime", "deadtime", "initdead", "deadping", "auto_failback",
    ]  # fmt: skip


def test_without_one_it_is_standard() -> None:
    assert accepted("", "").timing == PROFILES["standard"] == Timing()
    assert {c.profile for c in accepted("", "").chosen} == {"standard"}
    assert accepted("", "").digest() == accepted("", "profile: standard\n").digest()


def test_the_files_may_refine_a_profile_and_say_its_own_times() -> None:
    times = accepted("keepalive 20ms\ninitdead 30\n", "profile: fast\ntiming: {warntime: 60ms, deadping: 1}\n")
    fast = PROFILES["fast"]
    assert (times.timing.warntime_ns, times.timing.initdead_ns, times.timing.deadping_ns) == (
        60 * MS, 30 * SECOND, SECOND,
    )  # fmt: skip
    assert (times.timing.keepalive_ns, times.timing.deadtime_ns) == (fast.keepalive_ns, fast.deadtime_ns)
    assert (times.timing.ticket_ns, times.timing.slack_ns, times.timing.longest_ns) == (15 * MS, 10 * MS, 50 * MS)
    assert times.chosen == (
        Chosen("deadtime", "100 ms", "30 s", "fast"), Chosen("auto_failback", "on", "legacy", "fast"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "times, yaml, line, theirs",
    [
        ("deadtime 10\n", "profile: fast\n", 2, "deadtime 10 (ha.cf:4)"),
        ("deadtime 100ms\nkeepalive 50ms\n", "profile: fast\n", 2, "keepalive 50ms (ha.cf:5)"),
        ("keepalive 2\ndeadtime 30\n", "profile: wan\n", 2, "keepalive 2 (ha.cf:4) and deadtime 30 (ha.cf:5)"),
        ("", "timing: {deadtime: 2}\nprofile: vm\n", 3, "deadtime 2 (hbcore.yaml:2)"),
        ("keepalive 1ms\ninitdead 1ms\n", "profile: standard\n", 2, "keepalive 1ms (ha.cf:4)"),
    ],
)
def test_another_keepalive_or_deadtime_beside_a_profile_is_one_error(
    times: str, yaml: str, line: int, theirs: str
) -> None:
    (text,) = told(times, yaml)
    assert text.startswith(f"hbcore.yaml:{line}: profile ") and theirs in text


@pytest.mark.parametrize("profile, near", [("fst", "fast"), ("Fast", "fast"), ("vn", "vm"), ("standart", "standard"),
                                           ("", "standard"), ("lan", "wan")])  # fmt: skip
def test_an_unknown_profile_is_refused_with_the_nearest(profile: str, near: str) -> None:
    (text,) = told("", f"profile: {profile}\n")
    assert text.startswith("hbcore.yaml:2: profile cannot be ") and f"the nearest is {near} " in text


# -- times in either file ----------------------------------------------------------------------------------------------


def test_times_may_stand_in_either_file() -> None:
    both = accepted("keepalive 200ms\n", "timing:\n  deadtime: 2\n  initdead: 20\n")
    assert both.timing == accepted("keepalive 200ms\ndeadtime 2\ninitdead 20\n", "").timing
    assert both.digest() == accepted("", "timing: {keepalive: 200ms, deadtime: 2, initdead: 20}\n").digest()
    assert [c.option for c in both.chosen] == ["warntime", "deadping", "auto_failback"]


def test_a_time_is_said_in_one_file() -> None:
    assert told("deadtime 2\n", "timing:\n  deadtime: 2\n") == [
        "hbcore.yaml:3: deadtime already stands in ha.cf:4, and a time is said in one place: remove one of the two"
    ]


def test_what_does_not_go_together_is_told_in_the_file_that_says_it() -> None:
    (deadtime,) = told("keepalive 400ms\n", "timing: {deadtime: 500ms}\n")
    assert deadtime.startswith("hbcore.yaml:2: deadtime 500ms must be more than twice keepalive 400ms")
    (initdead,) = told("deadtime 20\n", "timing: {initdead: 10}\n")
    assert initdead.startswith("hbcore.yaml:2: initdead 10 is shorter")
    (deadping,) = told("deadping 100ms\n", "timing: {keepalive: 100ms}\n")
    assert deadping.startswith("ha.cf:4: deadping 100ms")


def test_the_figures_of_profile_fast_alone_are_refused_by_the_word_that_gives_them() -> None:
    (text,) = told("keepalive 20ms\ndeadtime 100ms\n", "")
    assert "deadtime 190ms or more" in text and "`profile: fast`" in text
    assert accepted("keepalive 20ms\ndeadtime 100ms\n", "profile: fast\n").timing == PROFILES["fast"]


# -- what check offers ----------------------------------------------------------------------------------------------

TIMES = st.one_of(
    st.integers(1, 2_000), st.integers(1_000, 100_000), st.integers(100_000, 86_400_000)
).map(lambda ms: ms * MS)  # fmt: skip
BOUND = {"keepalive-short": ("keepalive", "least"), "keepalive-long": ("keepalive", "most"),
         "deadtime-long": ("deadtime", "most")}  # fmt: skip


def written(keepalive: int, deadtime: int, place: str) -> tuple[str, str]:
    said = {"keepalive": values.spell(keepalive), "deadtime": values.spell(deadtime)}
    in_ha = "".join(f"{option} {word}\n" for option, word in said.items() if place in ("ha.cf", option))
    in_yaml = "".join(f"  {option}: {word}\n" for option, word in said.items() if place not in ("ha.cf", option))
    return in_ha + "initdead 86400\n", f"timing:\n{in_yaml}" if in_yaml else ""


@settings(max_examples=300)
@example(400 * MS, 500 * MS, "ha.cf")
@example(1 * MS, 5 * MS, "ha.cf")
@example(10 * MS, 150 * MS, "keepalive")
@example(1000 * SECOND, 7200 * SECOND, "deadtime")
@example(1000 * SECOND, 100 * MS, "yaml")
@example(1796 * SECOND, 3600 * SECOND, "ha.cf")
@given(TIMES, TIMES, st.sampled_from(["ha.cf", "yaml", "keepalive", "deadtime"]))
def test_what_check_offers_is_accepted_and_nothing_else_is_wrong_then(
    keepalive: int, deadtime: int, place: str
) -> None:
    config, problems = read(*written(keepalive, deadtime, place))
    errors = [p for p in problems if p.severity is Severity.ERROR]
    if not errors:
        assert config is not None
        assert (config.timing.keepalive_ns, config.timing.deadtime_ns) == (keepalive, deadtime)  # kept as written
        return
    asked = {"keepalive": keepalive, "deadtime": deadtime}
    ways: list[tuple[str, str]] = []
    for problem in errors:
        args = dict(problem.args)
        if problem.code in BOUND:
            option, name = BOUND[problem.code]
            asked[option] = time(args[name])
        else:
            ways += [(option, args[name]) for option, name in (("deadtime", "longer"), ("keepalive", "shorter"))
                     if name in args]  # fmt: skip
        assert all(
            args[name] in render([problem])[0] for name in ("longer", "shorter", "least", "most") if name in args
        )
    for offered in [{**asked, option: time(word)} for option, word in ways] or [asked]:
        config, problems = read(*written(offered["keepalive"], offered["deadtime"], place))
        assert problems == () and config is not None


@pytest.mark.parametrize("deadtime", [30, 162, 169])
def test_a_deadtime_alone_is_offered_with_the_keepalive_it_would_take(deadtime: int) -> None:
    (said,) = [text for text in told(f"deadtime {deadtime}ms\n", "") if "deadtime" in text]
    assert "170ms or more" in said
    assert accepted("deadtime 170ms\n", "").timing.keepalive_ns == 10 * MS


def time(word: str) -> int:
    ns = values.time_ns(word)
    assert isinstance(ns, int)
    return ns


# -- the guard ------------------------------------------------------------------------------------------------------

MIXED = "node1 10.0.0.1 httpd\nnode2 10.0.0.2 mysql\nnode1 named\n"  # light, heavy, without an address


def guards(yaml: str, groups: str = MIXED) -> list[Guard]:
    return [g.guard for g in accepted("", yaml, groups).groups]


def test_a_guard_is_used_where_it_can_unless_another_is_asked_for() -> None:
    auto, required, off = Guard.AUTO, Guard.REQUIRED, Guard.OFF
    assert guards("") == guards("guard: auto\n") == [auto, auto, auto]
    assert guards("guard: required\n") == [required, auto, auto]  # the others cannot be gated
    assert guards("guard: off\n") == [off, off, off]
    assert guards("groups:\n  10.0.0.1: {guard: required}\n") == [required, auto, auto]
    assert guards("guard: off\ngroups:\n  10.0.0.1: {guard: auto}\n") == [auto, off, off]
    assert guards("guard: required\ngroups:\n  10.0.0.1: {guard: off}\n  10.0.0.2: {weight: light}\n") == [
        off, required, auto,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "yaml, line, word",
    [
        ("groups:\n  10.0.0.2: {guard: required}\n", 3, "watchdog"),
        ("groups:\n  10.0.0.1:\n    weight: heavy\n    guard: required\n", 5, "watchdog"),
        ("groups:\n  named: {guard: required}\n", 3, "no address"),
        ("guard: required\ngroups:\n  10.0.0.1: {weight: heavy}\n", 2, "nothing to gate"),
    ],
)
def test_a_guard_that_cannot_work_is_refused(yaml: str, line: int, word: str) -> None:
    (text,) = told("", yaml, MIXED)
    assert text.startswith(f"hbcore.yaml:{line}: ") and word in text and text.endswith("write `guard: auto`")


def test_a_guard_is_part_of_the_definition() -> None:
    def digests(yaml: str) -> tuple[int, int]:
        config = accepted("", yaml)
        return config.digest(), config.groups[0].digest()

    found = [digests(f"guard: {guard}\n") for guard in Guard]
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in itertools.combinations(found, 2))
    assert digests("") == digests("guard: auto\n")
