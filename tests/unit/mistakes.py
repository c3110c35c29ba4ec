"""The mistakes people make in their files: what each looks like, and where and how it must be told.

Owns the table that `check` and hbcored are both judged by. Invariant: each case changes one file of a valid base
(which must itself be accepted), and exactly one error is due, in that line, with that word in its sentence.
Must not know how anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BASE = {
    "ha.cf": """\
logfile /var/log/ha-log
keepalive 100ms
deadtime 500ms
initdead 12
mcast eth0 225.0.0.1 694 1 0
auto_failback on
node node1
node node2
ping 192.168.100.254
""",
    "authkeys": """\
auth 1
1 sha256 6b1f0c9a7e2d4f58b3a1c0d9e8f70615
""",
    "haresources": """\
node1 192.168.100.100/24/eth0/192.168.100.255 httpd
node2 192.168.100.101/24/eth0 named
""",
    "hbcore.yaml": """\
schema: 1
guard: auto
""",
}
SCRIPTS = ("httpd", "named", "Filesystem")
SCRIPT = "#!/bin/sh\necho running\n"


@dataclass(frozen=True, slots=True)
class Mistake:
    """`files`: the whole directory. `line` 0: the file as a whole. `word`: stands in the error's sentence."""

    name: str
    files: dict[str, str]
    file: str
    line: int
    word: str


def write(directory: Path, files: dict[str, str]) -> Path:
    """A configuration directory with these files, their modes, and the scripts the base needs."""
    scripts = directory / "resource.d"
    scripts.mkdir(parents=True)
    for name in SCRIPTS:
        (scripts / name).write_text(SCRIPT)
        (scripts / name).chmod(0o755)
    for name, text in files.items():
        path = directory / name
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        path.chmod(0o600 if name == "authkeys" else 0o644)
    return directory


def _lines(file: str, line: int, word: str, *cases: tuple[str, str]) -> list[Mistake]:
    """Cases that put another text in the place of one line (which may become several)."""
    made = []
    for name, text in cases:
        lines = BASE[file].splitlines()
        lines[line - 1 : line] = text.split("\n")
        made.append(Mistake(name, {**BASE, file: "\n".join(lines) + "\n"}, file, line, word))
    return made


def _put(file: str, line: int, text: str, word: str, name: str, told: int | None = None) -> Mistake:
    """A case that replaces one line; `told`: where the problem is due, if not there."""
    (made,) = _lines(file, line, word, (name, text))
    return made if told is None else Mistake(name, made.files, file, told, word)


def _add(file: str, text: str, word: str, name: str, told: int | None = None) -> Mistake:
    """A case that adds a line (or several) at the end."""
    line = len(BASE[file].splitlines()) + 1
    return Mistake(name, {**BASE, file: BASE[file] + text + "\n"}, file, line if told is None else told, word)


def _whole(file: str, text: str, word: str, name: str, told: int = 0) -> Mistake:
    return Mistake(name, {**BASE, file: text}, file, told, word)


def _without(file: str, *lines: int) -> str:
    kept = [text for number, text in enumerate(BASE[file].splitlines(), 1) if number not in lines]
    return "\n".join(kept) + "\n"


HA_CF = [
    # times
    _put("ha.cf", 2, "keepalive 2s", "2000ms", "seconds with a unit"),
    _put("ha.cf", 3, "deadtime 1m", "60", "minutes"),
    _put("ha.cf", 3, "deadtime 10 s", "deadtime 10", "unit behind a blank"),
    _put("ha.cf", 3, "deadtime 500 ms", "500ms", "milliseconds behind a blank"),
    _put("ha.cf", 3, "deadtime 1,5", "1.5", "decimal comma"),
    _put("ha.cf", 3, "deadtime 10 20", "one value", "two deadtimes"),
    _put("ha.cf", 3, "deadtime ten", "seconds", "a number in letters"),
    _put("ha.cf", 3, "deadtime -5", "no time", "a negative time"),
    _put("ha.cf", 3, "deadtime", "half finished", "deadtime without a value"),
    _put("ha.cf", 3, "deadtime 5msx", "msx", "an unknown unit"),
    _put("ha.cf", 3, "deadtime 99999999", "more than a day", "a deadtime of years"),
    _put("ha.cf", 2, "keepalive 0", "cannot be 0", "no keepalive at all"),
    _put("ha.cf", 2, "keepalive 1ms", "10ms", "keepalive too short"),
    _put("ha.cf", 2, "keepalive 400ms", "deadtime 950ms or more, or keepalive 175ms or less",
         "keepalive 400ms beside deadtime 500ms", told=3),
    _put("ha.cf", 3, "deadtime 150ms", "350ms", "deadtime under twice keepalive"),
    _put("ha.cf", 3, "deadtime 300ms", "350ms", "no room for the lease"),
    _put("ha.cf", 2, "keepalive 300ms", "750ms", "keepalive too long for deadtime", told=3),
    _put("ha.cf", 4, "initdead 400ms", "500ms", "initdead under deadtime"),
    _add("ha.cf", "deadping 100ms", "201ms", "deadping under twice keepalive"),
    # media
    _put("ha.cf", 5, "bcast 192.168.100.255", "device", "broadcast to an address"),
    _put("ha.cf", 5, "bcast eth0:0", "label", "broadcast on a label"),
    _put("ha.cf", 5, "bcast eth0 eth1 eth0", "line 5", "broadcast twice on a device"),
    _put("ha.cf", 5, "bcast", "bcast eth0", "broadcast half finished"),
    _put("ha.cf", 5, "bcast eth0\nudpport 695", "above", "udpport after broadcast", told=6),
    _put("ha.cf", 5, "serial /dev/ttyS0", "keepalive 110ms and deadtime 550ms, or baud 38400", "serial line too slow"),
    _put("ha.cf", 5, "baud 9600\nserial /dev/ttyS0", "keepalive 210ms and deadtime 1050ms, or baud 38400",
         "serial line far too slow", told=6),
    _put("ha.cf", 5, "baud 19201\nserial /dev/ttyS0", "9600, 19200", "no baud rate"),
    _put("ha.cf", 5, "baud 19200 38400\nserial /dev/ttyS0", "the one you mean", "two baud rates"),
    _put("ha.cf", 5, "serial /dev/ttyS0\nbaud 115200", "above", "baud too late", told=6),
    _put("ha.cf", 5, "serial ttyS0", "from / on", "serial line without its path"),
    _put("ha.cf", 5, "serial", "serial /dev/ttyS0", "serial half finished"),
    _put("ha.cf", 5, "baud 115200\nserial /dev/ttyS0 /dev/ttyS0", "line 6", "the same line twice", told=6),
    _put("ha.cf", 5, "mcast eth0 ff02::694 694 1 0", "mcast6", "multicast over IPv6 by the old word"),
    _put("ha.cf", 5, "mcast6 eth0 225.0.0.1 694 1 0", "ff05::694", "an IPv4 group for IPv6"),
    _put("ha.cf", 5, "mcast6 eth0 ff01::694 694 1 0", "ff05::694", "a group that stays on the machine"),
    _put("ha.cf", 5, "mcast6 eth0 ff0e::694 694 1 0", "ff05::694", "a group of the whole world"),
    _put("ha.cf", 5, "mcast6 eth0 ff35::694 694 1 0", "ff05::694", "a group with odd flags"),
    _put("ha.cf", 5, "mcast6 eth0 ff05:: 694 1 0", "ff05::694", "a group without a number"),
    _put("ha.cf", 5, "mcast6 eth0 fd00::2 694 1 0", "multicast group", "mcast6 to one machine"),
    _put("ha.cf", 5, "mcast6 eth0 ff05::694 694 5 0", "1 to 4", "hops that heartbeat refuses"),
    _put("ha.cf", 5, "mcast6 eth0 ff05::694", "694 1 0", "mcast6 half finished"),
    _put("ha.cf", 5, "mcast6 ff05::694 694 1 0", "device", "mcast6 without device"),
    _put("ha.cf", 5, "ucast6 eth0 fe80::2%eth1", "fe80::2%eth0", "the scope of another device"),
    _put("ha.cf", 5, "ucast6 eth0 ff05::694", "mcast6", "ucast6 to a group"),
    _put("ha.cf", 5, "ucast6 eth0 192.168.100.2", "ucast instead", "ucast6 to IPv4"),
    _put("ha.cf", 5, "ucast6 eth0 node2", "name service", "ucast6 to a name"),
    _put("ha.cf", 5, "ucast6 eth0 fe80::2 694", "ucast6 eth0 fe80::2", "ucast6 with a port"),
    _put("ha.cf", 5, "ucast6 eth0 fe80:::2", "more than one gap", "ucast6 misspelt"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1", "694 1 0", "mcast half finished"),
    _put("ha.cf", 5, "mcast 225.0.0.1 694 1 0", "device", "mcast without device"),
    _put("ha.cf", 5, "mcast eth0 694 1 0", "lacks group: write for example `mcast eth0 225.0.0.1 694 1 0`",
         "mcast without group"),
    _put("ha.cf", 5, "mcast eth0 192.168.100.5 694 1 0", "multicast group", "mcast to one machine"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.300 694 1 0", "255", "mcast group out of range"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1 70000 1 0", "65535", "port out of range"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1 694 0 0", "1 to 4", "ttl that leaves no machine"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1 694 64 0", "1 to 4", "ttl that heartbeat refuses"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1 694 1 2", "0 to 1", "loop is no switch"),
    _put("ha.cf", 5, "mcast eth0 225.0.0.1 694 1 0 0", "too many", "one word more"),
    _put("ha.cf", 5, "mcast eth0,225.0.0.1,694,1,0", "blanks", "mcast with commas"),
    _put("ha.cf", 5, "mcast eth0:0 225.0.0.1 694 1 0", "label", "mcast on a label"),
    _put("ha.cf", 5, "ucast eth0", "peer", "ucast half finished"),
    _put("ha.cf", 5, "ucast eth0 node2", "address", "ucast to a name"),
    _put("ha.cf", 5, "ucast eth0 225.0.0.1", "mcast", "ucast to a group"),
    _put("ha.cf", 5, "ucast eth0 192.168.100.2 694", "udpport", "ucast with a port"),
    _put("ha.cf", 5, "ucast eth0 fe80::2", "ucast6", "ucast over IPv6"),
    _put("ha.cf", 5, "ucast eth0 192.168.100.2\nudpport 695", "above", "udpport too late", told=6),
    _put("ha.cf", 5, "eth0 225.0.0.1 694 1 0", "mcast, ucast", "medium without its word"),
    _whole("ha.cf", _without("ha.cf", 5), "mcast", "no medium at all"),
    _add("ha.cf", "mcast eth0 225.0.0.1 694 1 0", "line 5", "the same medium twice"),
    # nodes and ping
    _whole("ha.cf", _without("ha.cf", 7, 8), "uname", "no node at all"),
    _whole("ha.cf", _without("ha.cf", 8) + "#node node2\n", "only node", "one node", told=7),
    _add("ha.cf", "node node3", "exactly two", "three nodes"),
    _put("ha.cf", 8, "node node1", "line 7", "the same node twice"),
    _put("ha.cf", 8, "node NODE1", "line 7", "the same node in other letters"),
    _put("ha.cf", 8, "node 192.168.100.2", "uname", "a node by its address"),
    _put("ha.cf", 8, "node", "half finished", "node without a name"),
    _put("ha.cf", 9, "ping node2", "router", "ping to a node"),
    _put("ha.cf", 9, "ping router.example.com", "name service", "ping to a name"),
    _put("ha.cf", 9, "ping 192.168.100", "four", "ping with three numbers"),
    _put("ha.cf", 9, "ping 192.168.100.254.1", "four", "ping with five numbers"),
    _put("ha.cf", 9, "ping 192.168.100.256", "255", "ping out of range"),
    _put("ha.cf", 5, "ucast eth0 192.168.100.254", "third machine", "ping to the peer", told=9),
    _put("ha.cf", 9, "ping fd00::254", "ping6", "ping to IPv6"),
    _put("ha.cf", 9, "ping6 192.168.100.254", "ping instead", "ping6 to IPv4"),
    _put("ha.cf", 9, "ping6 router", "name service", "ping6 to a name"),
    _put("ha.cf", 9, "ping6 fe80::1", "fe80::1%eth0", "ping6 without a device"),
    _put("ha.cf", 9, "ping6 fd00::254%eth0", "fd00::254", "ping6 with a device too many"),
    _put("ha.cf", 9, "ping_group routers", "192.168.1.253", "a ping group without members"),
    _put("ha.cf", 9, "ping_group 192.168.100.253 192.168.100.254", "ping_group routers 192.168.100.253",
         "a ping group without a name"),
    _put("ha.cf", 9, "ping_group node1 192.168.100.254", "third machine", "a ping group named as a node"),
    _put("ha.cf", 9, "ping_group routers 192.168.100.254 gateway", "name service", "a ping group with a name in it"),
    _put("ha.cf", 9, "ping_group routers 192.168.100.254\nping_group routers 192.168.100.253", "another name",
         "two ping groups of one name", told=10),
    _put("ha.cf", 5, "ucast eth0 192.168.100.250\nping_group r 192.168.100.250", "third machine",
         "a ping group with the peer in it", told=6),
    # words
    _put("ha.cf", 2, "keepalvie 100ms", "keepalive", "a misspelt word"),
    _put("ha.cf", 2, "Keepalive 100ms", "keepalive", "a capital letter"),
    _put("ha.cf", 6, "auto-failback on", "auto_failback", "a dash for an underscore"),
    _put("ha.cf", 2, "keepalive=100ms", "blank", "an equals sign"),
    _put("ha.cf", 2, "keepalive: 100ms", "blank", "a colon"),
    _put("ha.cf", 6, "auto_failback maybe", "on or off", "a switch that is none"),
    _put("ha.cf", 6, "nice_failback on", "auto_failback", "nice_failback"),
    _put("ha.cf", 1, 'logfile "/var/log/ha-log"', "quotes", "quoted path"),
    _put("ha.cf", 1, "logfile ha-log", "whole path", "a path without its beginning"),
    _add("ha.cf", "logfacility LOCAL0", "local0", "facility in capitals"),
    _add("ha.cf", "cow moo", "docs/ha.cf.md", "a word of nobody"),
    _add("ha.cf", "compression_threshold 2(K)", "( in column 24 is no part of one: write `compression_threshold 2`",
         "a number with a remark"),
    _add("ha.cf", "debug 300", "255", "debug out of range"),
    # what would be dangerous to ignore
    _add("ha.cf", "stonith baytech /etc/ha.d/conf/stonith.baytech", "fencing", "stonith"),
    _add("ha.cf", "stonith_host * baytech 10.0.0.3 mylogin mysecretpassword", "fencing", "stonith_host"),
    _add("ha.cf", "watchdog /dev/watchdog", "watchdog", "watchdog"),
    _add("ha.cf", "crm on", "Pacemaker", "crm"),
    _add("ha.cf", "pacemaker respawn", "Pacemaker", "pacemaker"),
    _add("ha.cf", "autojoin any", "autojoin none", "autojoin"),
    _add("ha.cf", "failfast root /usr/bin/thing", "reboot", "failfast"),
    _add("ha.cf", "respawn root /usr/local/bin/mydaemon -x", "/usr/local/bin/mydaemon", "a program that is not there"),
    _add("ha.cf", "respawn hacluster", "whole path", "respawn half finished"),
    # pasted text
    _put("ha.cf", 1, "\\# the log\nlogfile /var/log/ha-log", "column 1 is Markdown's, a comment begins with # alone: "
         "write `# the log`", "an escaped comment"),
    _put("ha.cf", 1, "// the log\nlogfile /var/log/ha-log",
         "// in column 1 begins no comment here, # does: write `# the log`",
         "a comment of another language"),
    _put("ha.cf", 7, "node\u00a0node1",
         "column 5 is an odd one (no-break space, U+00A0) from pasted text: write `node node1`",
         "a no-break space"),
    _put("ha.cf", 7, "node\u3000node1",
         "column 5 is an odd one (ideographic space, U+3000) from pasted text: write `node node1`",
         "an ideographic blank"),
    _put("ha.cf", 3, "deadtime \uff15\uff10\uff10ms",
         "column 10 (fullwidth digit five, U+FF15) comes from pasted text: "
         "write `deadtime 500ms`", "full-width digits"),
    _put("ha.cf", 1, "\uff03 the log\nlogfile /var/log/ha-log", "write `# the log`", "a full-width number sign"),
    _put("ha.cf", 1, "logfile \u201c/var/log/ha-log\u201d", "column 9 (left double quotation mark, U+201C) comes from "
         "pasted text: write `logfile /var/log/ha-log`", "curly quotes"),
    _put("ha.cf", 8, "node node\u20132", "column 10 (en dash, U+2013) comes from pasted text: write `node node-2`",
         "a dash of typographers"),
    _put("ha.cf", 7, "node node1\u200b",
         "invisible zero width space (U+200B) stands in column 11: write `node node1`", "a zero-width space"),
    _put("ha.cf", 7, "node node\x001", "invisible control character (U+0000) stands in column 10: write `node node1`",
         "a NUL"),
    _put("ha.cf", 7, "node n\udcf6de1", "the bytes in column 7 are not UTF-8", "a line in Latin-1"),
    _put("ha.cf", 7, "node \ufeffnode1", "zero width no-break space (U+FEFF) stands in column 6: write `node node1`",
         "a byte order mark in the middle"),
    _put("ha.cf", 3, "deadtime 500ms\u2026", "column 15 (horizontal ellipsis, U+2026) comes from pasted text: "
         "write `deadtime 500ms...`", "an ellipsis"),
    _put("ha.cf", 6, "auto\\_failback on", "column 5 is Markdown's, _ needs none: write `auto_failback on`",
         "an escaped underscore"),
    _put("ha.cf", 6, "auto_failback on \\\\ go home", "\\\\ in column 18 begins no comment here, # does: "
         "write `auto_failback on # go home`", "a comment behind two backslashes"),
    _put("ha.cf", 7, "node node1 <== the master", "<== in column 12", "a comment behind an arrow"),
    _put("ha.cf", 7, "node&nbsp;node1", "&nbsp; in column 5 is HTML's spelling: write `node node1`", "an HTML entity"),
    _put("ha.cf", 7, "n\u043ede node1", "column 2 is no o but looks like it", "a Cyrillic letter"),
    _put("ha.cf", 7, "node node1 \\", "write it whole", "a backslash at the end in ha.cf"),
    _add("ha.cf", "crm maybe", "crm cannot be maybe", "a way of crm that is none"),
    _whole("ha.cf", "\ufeff" + BASE["ha.cf"], "byte order mark", "a byte order mark", told=1),
    _put("ha.cf", 1, "logfile /var/log/" + "x" * 6000, "shorter", "a line without end"),
]  # fmt: skip

AUTHKEYS = [
    _whole("authkeys", _without("authkeys", 1), "auth 1", "no auth line"),
    _whole("authkeys", "1 sha256 6b1f0c9a7e2d4f58b3a1c0d9e8f70615\nauth 1\n", "top", "auth behind its key", told=2),
    _put("authkeys", 1, "auth 2", "no key 2", "auth names no key"),
    _put("authkeys", 1, "auth 1\nauth 1", "line 1", "two auth lines", told=2),
    _put("authkeys", 1, "auth", "half finished", "auth without a number"),
    _put("authkeys", 1, "auth one", "number", "auth in letters"),
    _put("authkeys", 1, "auth 1 sha1 0576e27920f46d92", "line of its own", "key in the auth line"),
    _put("authkeys", 1, "Auth 1", "auth 1", "auth with a capital letter"),
    _put("authkeys", 1, "auth1", "auth 1", "auth without a blank"),
    _put("authkeys", 2, "1 sha-1 0576e27920f46d92", "sha1", "a method with a dash"),
    _put("authkeys", 2, "1 sha512 0576e27920f46d92", "sha256", "a method not known"),
    _put("authkeys", 2, "1 SHA1 0576e27920f46d92", "sha1", "a method in capitals"),
    _put("authkeys", 2, "1 0576e27920f46d92", "md5, sha1, sha256", "a key without method"),
    _put("authkeys", 2, "1", "half finished", "a number alone"),
    _put("authkeys", 2, "1 sha1", "openssl", "a method without key"),
    _put("authkeys", 2, "1 crc 0576e27920f46d92", "doesn't use a key", "crc with a key"),
    _put("authkeys", 2, "1 sha1 my secret words", "one word", "a key of several words"),
    _put("authkeys", 2, "1 sha1 #0576e27920f46d92", "comment", "a comment for a key"),
    _put("authkeys", 2, '1 sha1 "0576e27920f46d92"', "quotes", "a quoted key"),
    _put("authkeys", 2, "1 sha1 \u201c0576e27920f46d92\u201d", "column 8 holds a character that is not plain ASCII",
         "a key in curly quotes"),
    _put("authkeys", 2, "sha1 0576e27920f46d92", "number", "a key without its number"),
    _put("authkeys", 2, "0576e27920f46d92", "number", "a key alone"),
    _add("authkeys", "16 sha1 0576e27920f46d92", "15", "a key number too high"),
    _add("authkeys", "1 sha1 0576e27920f46d92", "line 2", "a key number twice"),
    _whole("authkeys", "", "auth 1", "an empty authkeys"),
]  # fmt: skip

HARESOURCES = [
    # nodes and groups
    _put("haresources", 1, "nod1 192.168.100.100/24 httpd", "node1", "an unknown node"),
    _put("haresources", 1, "node1.example.com 192.168.100.100/24 httpd", "node1", "a node by its long name"),
    _put("haresources", 1, "192.168.100.100/24 httpd", "preferred node", "no node"),
    _put("haresources", 1, "node1", "at least one resource", "an empty group"),
    _put("haresources", 2, "node2 192.168.100.100/24/eth0/192.168.100.255 named", "line 1", "a group's key twice"),
    _put("haresources", 2, "node2 192.168.100.100 named", "line 1", "the same address in two groups"),
    _put("haresources", 1, "node1 192.168.100.100 httpd node2 192.168.100.102", "new line", "two groups in a line"),
    _put("haresources", 1, "node1 httpd 192.168.100.100/24 httpd", "twice", "a resource twice in a group"),
    # continuation and comments
    _put("haresources", 1, "node1 192.168.100.100/24\n      Filesystem::/dev/sdb1::/mnt::ext4 httpd", "backslash",
         "no backslash before a continuation", told=2),
    _put("haresources", 1, "node1 192.168.100.100/24\n   httpd", "backslash", "no backslash before a word", told=2),
    _put("haresources", 1, "node1 192.168.100.100/24 http\\\nd", "a blank before the backslash", "a word in two"),
    _put("haresources", 1, "node1 192.168.100.100/24 \\ \n   httpd", "blank", "a blank behind the backslash"),
    _put("haresources", 1, "node1 192.168.100.100/24 \\ # the address\n   httpd", "comment",
         "a comment behind the backslash"),
    _put("haresources", 1, "node1 192.168.100.100/24 \\\n# the web server\n   httpd", "line 1",
         "a comment line in a continued group", told=2),
    _put("haresources", 2, "node2 192.168.100.101/24 named \\", "nothing continues", "a backslash at the end"),
    _put("haresources", 1, "node1 192.168.100.100/24 \\\\\n   httpd",
         "column 26 is doubled, one continues a line: write "
         "`node1 192.168.100.100/24 \\`", "a doubled backslash before a continuation"),
    _put("haresources", 1, "node1 192.168.100.100/24 httpd \\\\ the site",
         "write `node1 192.168.100.100/24 httpd # the site`",
         "a comment behind two backslashes in haresources"),
    _put("haresources", 1, "node1 192.168.100.100/24 \\ httpd", "last character", "a backslash in the middle"),
    _put("haresources", 1, "\\# web\nnode1 192.168.100.100/24 httpd", "write `# web`",
         "an escaped comment in haresources"),
    # addresses
    _put("haresources", 1, "node1 192.168.100.300/24 httpd", "255", "an octet too large"),
    _put("haresources", 1, "node1 192.168.100/24 httpd", "four", "an address of three numbers"),
    _put("haresources", 1, "node1 192.168.100.010/24 httpd", "192.168.100.10", "an octal octet"),
    _put("haresources", 1, "node1 192.168.100.100/eth0 httpd", "192.168.100.100/24/eth0", "a device for the mask"),
    _put("haresources", 1, "node1 192.168.100.100/255.255.255.0 httpd", "192.168.100.100/24", "a dotted mask"),
    _put("haresources", 1, "node1 192.168.100.100/33 httpd", "1 to 32", "a mask too long"),
    _put("haresources", 1, "node1 192.168.100.100/24/192.168.100.255/eth0 httpd", "ADDRESS/MASK/DEVICE/BROADCAST",
         "broadcast before device"),
    _put("haresources", 1, "node1 192.168.100.100/24//192.168.100.255 httpd", "empty part", "an empty part"),
    _put("haresources", 1, "node1 192.168.100.100/24/eth0/10.0.0.255 httpd", "192.168.100.255", "another broadcast"),
    _put("haresources", 1, "node1 192.168.100.100/24/eth0:0 httpd", "label", "a label for the device"),
    _put("haresources", 1, "node1 192.168.100.255/24 httpd", "broadcast", "the subnet's broadcast address"),
    _put("haresources", 1, "node1 192.168.100.0/24 httpd", "subnet", "the subnet itself"),
    _put("haresources", 1, "node1 192.168.100.254/24 httpd", "ping node", "the ping node's address"),
    _put("haresources", 1, "node1 224.0.0.5/24 httpd", "multicast", "a multicast address"),
    _put("haresources", 1, "node1 127.0.0.5/8 httpd", "reach", "a loopback address"),
    # IPv6
    _put("haresources", 1, "node1 fe80::1/64 httpd", "fe80::1/64/eth0", "a link-local address without its device"),
    _put("haresources", 1, "node1 IPv6addr::fe80::1%eth0/64 httpd", "fe80::1/64/eth0", "a zone for the device"),
    _put("haresources", 1, "node1 [2001:db8::5]/64 httpd", "write 2001:db8::5", "brackets as in a URL"),
    _put("haresources", 1, "node1 IPv6addr httpd", "IPv6addr::2001:db8::5/64", "IPv6addr without an address"),
    _put("haresources", 1, "node1 IPv6addr:2001:db8::5/64", "IPv6addr::2001:db8::5/64", "one colon behind IPv6addr"),
    _put("haresources", 1, "node1 ipv6addr::2001:db8::5/64", "IPv6addr::2001:db8::5/64", "IPv6addr in small letters"),
    _put("haresources", 1, "node1 IPv6addr\uff1a\uff1a2001:db8::5/64", "write `node1 IPv6addr::2001:db8::5/64`",
         "full-width colons"),
    _put("haresources", 1, "node1 IPv6addr::192.168.100.7/24", "IPaddr2::192.168.100.7/24", "IPv4 for IPv6addr"),
    _put("haresources", 1, "node1 IPaddr::2001:db8::5/64", "IPv6addr::2001:db8::5/64", "IPv6 for IPaddr"),
    _put("haresources", 1, "node1 IPv6addr::2001:db8::5/64::eth0", "IPv6addr::2001:db8::5/64/eth0",
         "colons for the slash before the device"),
    _put("haresources", 1, "node1 IPv6addr::2001:db8::5::64", "2001:db8::5/64/eth0", "colons for the slash"),
    _put("haresources", 1, "node1 2001:db8::5::1/64", "once", "two gaps"),
    _put("haresources", 1, "node1 2001:db8:5/64", "eight groups", "an IPv6 address too short"),
    _put("haresources", 1, "node1 2001:db8::g/64", "eight groups", "a letter that is no digit"),
    _put("haresources", 1, "node1 2001:db8::5/129", "1 to 128", "an IPv6 prefix too long"),
    _put("haresources", 1, "node1 2001:db8::5/eth0", "2001:db8::5/64/eth0", "a device for the length"),
    _put("haresources", 1, "node1 2001:db8::5/64/eth0/2001:db8::ffff", "write 2001:db8::5/64/eth0",
         "a broadcast address of IPv6"),
    _put("haresources", 1, "node1 2001:db8::5/64//", "empty part", "an empty part of an IPv6 address"),
    _put("haresources", 1, "node1 2001:db8::/64", "2001:db8::/64 itself", "the IPv6 subnet itself"),
    _put("haresources", 1, "node1 ff02::1/64", "multicast", "an IPv6 multicast address"),
    _put("haresources", 1, "node1 ::1/128", "reach", "the IPv6 loopback address"),
    _put("haresources", 1, "node1 IPv6addr::::/64", "exactly one ::", "the unspecified address"),
    _put("haresources", 1, "node1 ::ffff:192.168.100.7/120", "write 192.168.100.7", "an IPv4-mapped address"),
    _put("haresources", 1, "node1 cafe::1/64", "2000::/3", "an IPv6 address of no network"),
    _put("haresources", 1, "node1 2001:db8::5/64 IPv6addr::2001:DB8:0::5", "already stands",
         "two spellings of one address"),
    _put("haresources", 1, "2001:db8::5/64 httpd", "preferred node", "no node before an IPv6 address"),
    _put("haresources", 1, "node1 IPaddr::192.168.100.100::24::eth0 httpd", "IPaddr::192.168.100.100/24/eth0",
         "colons for slashes"),
    _put("haresources", 1, "node1 IPaddr2 httpd", "no address", "IPaddr2 without an address"),
    # resources
    _put("haresources", 1, "node1 192.168.100.100/24 Filesystem:/dev/sdb1:/mnt:ext4 httpd",
         "Filesystem::/dev/sdb1::/mnt::ext4", "single colons"),
    _put("haresources", 1, "node1 192.168.100.100/24 Filesystem::/dev/sdb1::::ext4 httpd", "empty argument",
         "an empty argument"),
    _put("haresources", 1, "node1 192.168.100.100/24 httpd::", "empty argument", "colons at the end"),
    _put("haresources", 1, "node1 OCF::Filesystem::data", "conf/OCF/Filesystem/data", "the wrapper"),
    _put("haresources", 1, "node1 ocf:heartbeat:IPaddr2::ip=192.168.100.101", "the address itself", "VIP"),
    _put("haresources", 1, "node1 ocf::heartbeat::Filesystem", "write ocf:heartbeat:Filesystem", "::"),
    _put("haresources", 1, "node1 ocf:Filesystem", "write ocf:heartbeat:Filesystem", "no provider"),
    _put("haresources", 1, "node1 ocf:heartbeat:Filesystem::/dev/sdb1", "name before it", "no name"),
    _put("haresources", 1, "node1 192.168.100.100/24 systemd::apache2", "write systemd:apache2", "a unit with ::"),
    _put("haresources", 1, "node1 192.168.100.100/24 systemd:apache2::fast", "takes none", "a unit with arguments"),
    _put("haresources", 1, "node1 192.168.100.100/24 service:apache2", "write systemd:apache2", "Pacemaker's class"),
    _put("haresources", 1, "node1 192.168.100.100/24 /etc/init.d/httpd", "bare name", "a script by its path"),
    _put("haresources", 1, "node1 192.168.100.100/24 httpd,named", "blanks", "resources with a comma"),
    _put("haresources", 1, 'node1 192.168.100.100/24 "httpd"', "quotes", "a quoted resource"),
    _put("haresources", 1, "node1 192.168.100.100/24 bind", "named", "the service's other name"),
    _put("haresources", 1, "node1 192.168.100.100/24 httpds", "httpd", "a misspelt script"),
    _put("haresources", 1, "node1 192.168.100.100/24 frobnicator", "start, stop and status", "a script of nobody"),
    _put("haresources", 1, "node1 192.168.100.100/24\u00a0httpd", "write `node1 192.168.100.100/24 httpd`",
         "a no-break space in haresources"),
]  # fmt: skip

GROUPS = "groups:\n  192.168.100.100: {weight: heavy}\n"

HBCORE_YAML = [
    _put("hbcore.yaml", 1, "profile: standard", "schema: 1", "no schema", told=0),
    _put("hbcore.yaml", 1, "schema: 9", "schema: 1", "a schema to come"),
    _add("hbcore.yaml", "two_node: fenced", "later version", "a mode to come"),
    _add("hbcore.yaml", "profil: vm", "profile", "a misspelt key"),
    # times
    _add("hbcore.yaml", "profile: fst", "nearest is fast", "a misspelt profile"),
    _add("hbcore.yaml", "profile: slow", "standard, fast, vm, wan", "a profile not known"),
    _add("hbcore.yaml", "profile: [fast]", "nearest", "a list of profiles"),
    _add("hbcore.yaml", "profile: fast", "keepalive 100ms (ha.cf:2) and deadtime 500ms (ha.cf:3)",
         "a profile beside other times"),
    _add("hbcore.yaml", "timing: {keepalive: 100ms}", "ha.cf:2", "a time in two files"),
    _add("hbcore.yaml", "timing: {deadping: 150ms}", "201ms", "deadping in yaml under twice keepalive"),
    _add("hbcore.yaml", "timing: {deadping: 2s}", "2000ms", "seconds with a unit in yaml"),
    _add("hbcore.yaml", "timing:\n  deadping: soon", "no time", "a time in letters in yaml", told=4),
    _add("hbcore.yaml", "timing: {deadping: 0}", "deadping: 500ms", "no deadping at all"),
    _add("hbcore.yaml", "timing: {deadping: }", "no value", "a time without a value in yaml"),
    _add("hbcore.yaml", "timing: {deadtme: 1}", "deadtime", "a misspelt time"),
    _add("hbcore.yaml", "timing: fast", "key: value", "a profile for timing"),
    # the guard
    _put("hbcore.yaml", 2, "guard: maybe", "auto, required, off", "a guard not known"),
    _put("hbcore.yaml", 2, "guard: on", "nearest is auto", "a guard as a switch"),
    _put("hbcore.yaml", 2, "guard: require", "nearest is required", "a misspelt guard"),
    _add("hbcore.yaml", "groups:\n  192.168.100.100: {weight: heavy, guard: required}", "watchdog",
         "a guard for a heavy group", told=4),
    _whole("hbcore.yaml", "schema: 1\nguard: required\n" + GROUPS + "  192.168.100.101: {weight: heavy}\n",
           "nothing to gate", "a guard where all is heavy", told=2),
    _add("hbcore.yaml", "groups:\n  192.168.100.100: {gaurd: off}", "guard", "a misspelt word of a group", told=4),
    _add("hbcore.yaml", "groups:\n  192.168.100.100: {guard: none}", "auto, required, off", "no guard", told=4),
    # groups
    _add("hbcore.yaml", "groups:\n  192.168.100.100: {weight: medium}", "light", "a weight not known", told=4),
    _add("hbcore.yaml", "groups:\n  192.168.100.10: {weight: light}", "nearest is 192.168.100.10", "a group of nobody",
         told=4),
]  # fmt: skip

MISTAKES: tuple[Mistake, ...] = (*HA_CF, *AUTHKEYS, *HARESOURCES, *HBCORE_YAML)
