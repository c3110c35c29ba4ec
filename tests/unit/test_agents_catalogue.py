"""What a node could run, and what each agent says of itself: real folders, Debian's real agents, hostile texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hbcore.agents import catalogue, metadata
from hbcore.agents.catalogue import Catalogue
from hbcore.agents.lookup import Places
from hbcore.agents.script import environment
from hbcore.formats.haresources import UNITS

XML = """<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="web"><longdesc>
Serves.

  Well.
</longdesc><shortdesc>A web   server</shortdesc><parameters>
<parameter name="port"><longdesc>Where
it listens</longdesc><content type="integer" default="80"/></parameter>
<parameter name="root" required="1"><shortdesc>files</shortdesc><content type="string"/></parameter>
</parameters></resource-agent>"""
INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: web
# Short-Description: A web server
### END INIT INFO
"""
Write = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path) -> Catalogue:
    def write(path: str, text: str, mode: int = 0o755) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    write("etc/resource.d/mine", "#!/bin/sh\n# Description: what I wrote\n")
    write("etc/resource.d/notes", "no program", 0o644)
    write("init.d/web", INIT)
    tells = f"#!/bin/sh\n[ $1 = meta-data ] || touch {tmp_path}/ran\necho 'a warning' >&2\ncat <<'END'\n{XML}\nEND\n"
    write("ocf/resource.d/heartbeat/Filesystem", tells)
    write("ocf/resource.d/ours/mute", "#!/bin/sh\necho 'no shellfuncs' >&2\nexit 5\n")
    write("ocf/resource.d/ours/slow", "#!/bin/sh\nexec sleep 60\n")
    write("ocf/secret", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    write("units/apache2.service", "[Unit]\nDescription=The Apache HTTP Server\n", 0o644)
    write("units/data.mount", "", 0o644)
    write("units/apache2.service.d/x.conf", "", 0o644)
    places = Places(tmp_path / "etc", tmp_path / "init.d", (tmp_path / "units",), tmp_path / "ocf")
    return Catalogue(places, UNITS, environment("node1", tmp_path / "etc", {}), tmp_path)


async def test_what_could_run_is_listed_as_it_is_written_in_haresources(site: Catalogue) -> None:
    assert await site.names("script") == ["Filesystem", "mine"]
    assert await site.names("lsb") == ["lsb:web"]
    assert await site.names("ocf") == ["ocf:heartbeat:Filesystem", "ocf:ours:mute", "ocf:ours:slow"]
    assert await site.names("systemd") == ["systemd:apache2", "systemd:data.mount"]
    assert len(await site.names()) == 8


@pytest.mark.parametrize("word", ["ocf:heartbeat:Filesystem", "ocf:Filesystem", "Filesystem"])
async def test_an_ocf_agent_describes_itself(site: Catalogue, tmp_path: Path, word: str) -> None:
    found = await site.show(word)
    assert (found.code, found.cls) == ("", "ocf") and found.path.endswith("/heartbeat/Filesystem")
    assert found.description.short == "A web server"
    assert found.description.about == ("Serves.", "", "  Well.")
    root, port = found.description.parameters
    assert (root.name, root.required, root.kind, root.default, root.short) == ("root", True, "string", None, "files")
    assert (port.name, port.required, port.default, port.about) == ("port", False, "80", "Where it listens")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("word", "cls", "short"),
    [
        ("lsb:web", "lsb", "A web server"),
        ("web", "lsb", "A web server"),
        ("mine", "heartbeat", "what I wrote"),
        ("systemd:apache2", "systemd", "The Apache HTTP Server"),
        ("systemd:data.mount", "systemd", ""),
    ],
)
async def test_scripts_and_units_say_what_their_text_says(site: Catalogue, word: str, cls: str, short: str) -> None:
    found = await site.show(word)
    assert (found.code, found.cls, found.description.short) == ("", cls, short)


@pytest.mark.parametrize(
    ("word", "code", "near"),
    [
        ("ocf:heartbeat:FileSystem", "agent-not-here-near", "ocf:heartbeat:Filesystem"),
        ("systemd:httpd", "agent-not-here-near", "systemd:apache2"),
        ("mime", "agent-not-here-near", "mine"),
        ("httpd", "agent-not-here-near", "systemd:apache2"),
        ("lsb:nothing-like-it", "agent-not-here", ""),
        ("notes", "agent-unusable", None),
        ("ocf:heartbeat:../../../secret", "agent-word", None),
        ("ocf:..:secret", "agent-word", None),
        ("lsb:../ocf/secret", "agent-word", None),
        ("systemd:../x", "agent-word", None),
        ("", "agent-word", None),
        ("ocf:", "agent-word", None),
    ],
)
async def test_what_is_not_there_is_said_and_nothing_else_is_run(
    site: Catalogue, tmp_path: Path, word: str, code: str, near: str | None
) -> None:
    found = await site.show(word)
    assert (found.code, found.args.get("near")) == (code, near)
    assert not (tmp_path / "ran").exists()


async def test_an_agent_that_does_not_describe_itself(site: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = await site.show("ocf:ours:mute")
    assert (mute.code, mute.args["exit"], mute.args["said"]) == ("agent-silent", "5", "no shellfuncs")
    monkeypatch.setattr(catalogue, "ASK_S", 1)
    begun = time.monotonic()
    slow = await site.show("ocf:ours:slow")
    assert (slow.code, slow.args["why"]) == ("agent-silent", "timeout") and time.monotonic() - begun < 5


BOMB = '<!DOCTYPE a [<!ENTITY a "x">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8)
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "no xml", "<", "<resource-agent>", "<other/>", "\x00", XML[:-20],
        f"{BOMB}]><resource-agent><shortdesc>&i;</shortdesc></resource-agent>",
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><resource-agent><shortdesc>&x;</shortdesc></resource-agent>',
    ],
)  # fmt: skip
def test_a_text_of_any_content_gives_no_description_rather_than_an_error(text: str) -> None:
    assert metadata.of_xml(text) is None


async def test_debians_agents_describe_themselves(tmp_path: Path) -> None:
    root = Path("/usr/lib/ocf")
    if not (root / "lib/heartbeat/ocf-shellfuncs").exists():
        pytest.skip("resource-agents is not installed")
    real = Catalogue(Places(tmp_path), UNITS, environment("node1", tmp_path, {}), tmp_path)
    assert "ocf:heartbeat:Filesystem" in await real.names("ocf")
    found = await real.show("ocf:heartbeat:Filesystem")
    assert found.code == "" and "filesystem" in found.description.short.lower()
    names = [p.name for p in found.description.parameters]
    assert names[:3] == ["device", "directory", "fstype"] and "options" in names[3:]
