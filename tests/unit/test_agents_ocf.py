"""OCF agents: real ones of Debian's resource-agents, and one of our own that prints what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hbcore.agents import ocf
from hbcore.agents.lookup import Agent, Missing, Places, find
from hbcore.agents.runner import Runner
from hbcore.agents.verdict import Kind
from hbcore.engine.config import SECOND, Resource
from hbcore.engine.events import Outcome
from hbcore.host import clock
from hbcore.host.address import Addresses
from hbcore.host.netlink import Netlink
from hbcore.words import say

LIMIT = 20 * SECOND
TELLS = """#!/bin/sh
env | grep -E '^(OCF_|HA_RSCTMP)' | sort
echo "args: $*"
exit $OCF_RESKEY_exit
"""


class Site:
    """A folder with a provider of our own, and the runner over it; `debian()` has Debian's agents."""

    def __init__(self, folder: Path, netlink: Netlink) -> None:
        self.folder, self.netlink = folder, netlink
        self.root = folder / "ocf"
        self.agent("tells", TELLS)
        (folder / "resource.d").mkdir()
        (folder / "output").mkdir()

    def agent(self, name: str, text: str, provider: str = "ours", mode: int = 0o755) -> Path:
        path = self.root / "resource.d" / provider / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def places(self, root: Path | None = None) -> Places:
        return Places(self.folder, None, (), root or self.root)

    def runner(self, root: Path | None = None) -> Runner:
        return Runner(
            node="node1", places=self.places(root), output_dir=self.folder / "output",
            addresses=Addresses(self.netlink, []), now_ns=clock.now_ns, say=say,
        )  # fmt: skip


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    netlink = Netlink()
    yield Site(tmp_path, netlink)
    netlink.close()


def told(*params: str) -> Resource:
    return Resource("web-data", "ocf", "ours:tells", params)


async def test_an_agent_is_told_its_parameters_and_nothing_as_an_argument_but_the_action(site: Site) -> None:
    done = await site.runner().run(1, told("device=/dev/sdb1", "options=rw,noatime", "exit=0"), "start", LIMIT)
    assert done.outcome is Outcome.OK
    for line in (
        f"HA_RSCTMP={site.folder}/rsctmp",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_RESKEY_device=/dev/sdb1",
        "OCF_RESKEY_options=rw,noatime",
        "OCF_RESOURCE_INSTANCE=web-data",
        "OCF_RESOURCE_PROVIDER=ours",
        "OCF_RESOURCE_TYPE=tells",
        "args: start",
    ):
        assert line in (site.folder / "output/web-data.out").read_text().splitlines(), line


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.RUNNING),
        (1, Outcome.FAILED),
        (2, Outcome.FAILED),
        (3, Outcome.FAILED),
        (4, Outcome.FAILED),
        (5, Outcome.STOPPED),
        (6, Outcome.FAILED),
        (7, Outcome.STOPPED),
        (8, Outcome.RUNNING),
        (9, Outcome.FAILED),
        (126, Outcome.UNKNOWN),
        (190, Outcome.RUNNING),
        (191, Outcome.RUNNING),
    ],
)
async def test_a_monitor_is_judged_by_its_exit_code_alone(site: Site, code: int, outcome: Outcome) -> None:
    site.agent("tells", TELLS + "echo running OK\n")
    assert (await site.runner().run(1, told(f"exit={code}"), "status", LIMIT)).outcome is outcome


@pytest.mark.parametrize(("code", "outcome"), [(0, Outcome.OK), (1, Outcome.FAILED), (7, Outcome.FAILED)])
async def test_start_and_stop_succeed_with_0_alone(site: Site, code: int, outcome: Outcome) -> None:
    for operation in ("start", "stop"):
        assert (await site.runner().run(1, told(f"exit={code}"), operation, LIMIT)).outcome is outcome


@pytest.mark.skipif(not (ocf.ROOT / "resource.d/heartbeat/Dummy").exists(), reason="needs resource-agents")
async def test_debians_own_dummy_from_start_to_stop(site: Site) -> None:
    dummy = Resource("Dummy", "ocf", "heartbeat:Dummy", (f"state={site.folder}/state",))
    run = site.runner(ocf.ROOT).run
    assert (await run(1, dummy, "status", LIMIT)).outcome is Outcome.STOPPED
    assert (await run(2, dummy, "start", LIMIT)).outcome is Outcome.OK
    assert (site.folder / "state").exists()
    assert (await run(3, dummy, "status", LIMIT)).outcome is Outcome.RUNNING
    assert (await run(4, dummy, "stop", LIMIT)).outcome is Outcome.OK
    assert (await run(5, dummy, "status", LIMIT)).outcome is Outcome.STOPPED


def test_a_wrapper_of_heartbeat_that_is_not_there_means_the_agent_it_called(site: Site) -> None:
    path = site.agent("Filesystem", "#!/bin/sh\n", "heartbeat")
    mount = Resource("Filesystem", "script", "Filesystem", ("/dev/sdb1", "/srv", "ext4"))
    params = ("device=/dev/sdb1", "directory=/srv", "fstype=ext4")
    assert find(mount, site.places()) == Agent(Kind.OCF, path, params, "heartbeat:Filesystem")
    script = site.folder / "resource.d/Filesystem"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert find(mount, site.places()) == Agent(Kind.HEARTBEAT, script, mount.args), "one that is there comes first"


def test_more_arguments_than_the_wrapper_had_are_not_guessed(site: Site) -> None:
    site.agent("Delay", "#!/bin/sh\n", "heartbeat")
    assert isinstance(find(Resource("Delay", "script", "Delay", ("1", "2")), site.places()), Missing)


@pytest.mark.parametrize("kind", ocf.WRAPPERS)
@pytest.mark.skipif(not (ocf.ROOT / "resource.d/heartbeat/Dummy").exists(), reason="needs resource-agents")
def test_each_parameter_of_a_wrapper_is_one_that_debians_agent_knows(kind: str) -> None:
    path = ocf.ROOT / "resource.d/heartbeat" / kind
    text = path.read_text(errors="replace") if path.exists() else ""
    for name in ocf.WRAPPERS[kind] if text else ():
        assert f'name="{name}"' in text, f"{kind} has no parameter {name}"


def test_what_is_not_there_is_named_with_the_nearest(site: Site) -> None:
    missing = find(Resource("tels", "ocf", "ours:tels"), site.places())
    assert missing == Missing("agent-missing", "ours:tels", str(site.root / "resource.d/ours/tels"), "ours:tells")
    site.agent("plain", "#!/bin/sh\n", mode=0o644)
    broken = find(Resource("plain", "ocf", "ours:plain"), site.places())
    assert isinstance(broken, Missing) and broken.code == "script-not-executable"


def test_units_and_init_scripts_by_their_class(site: Site) -> None:
    units, init = site.folder / "units", site.folder / "init.d"
    units.mkdir()
    init.mkdir()
    for name in ("apache2.service", "getty@.service"):
        (units / name).write_text("[Unit]\n")
    (init / "mydb").write_text("#!/bin/sh\n")
    (init / "mydb").chmod(0o755)
    places = Places(site.folder, init, (units,), site.root)

    def of(agent: str, kind: str) -> Agent | Missing:
        return find(Resource(kind, agent, kind), places)

    assert of("systemd", "apache2.service") == Agent(Kind.SYSTEMD, units / "apache2.service", (), "apache2.service")
    assert of("systemd", "getty@tty1.service") == Agent(
        Kind.SYSTEMD, units / "getty@.service", (), "getty@tty1.service"
    )
    assert of("systemd", "httpd.service") == Missing("unit-missing", "httpd.service", near="apache2.service")
    assert of("lsb", "mydb") == Agent(Kind.LSB, init / "mydb")
    assert of("lsb", "mydbb") == Missing("script-missing", "mydbb", near="mydb")
