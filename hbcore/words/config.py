"""Sentences about what people wrote: each says where, what, and the nearest right thing, in one sentence.

The codes are those of `hbcore.formats` and `hbcore.cli.preflight`; file and line stand before the sentence.
"""

LINES = {
    "byte-order-mark": "the file begins with a byte order mark, which is no blank: save it as UTF-8 without BOM",
    "utf16": "the file is saved as UTF-16: save it as UTF-8",
    "not-utf8": "the line holds bytes that are not UTF-8: save the file as UTF-8, or write the line in plain ASCII",
    "not-utf8-here": "the bytes in column {column} are not UTF-8: save the file as UTF-8, or write the line in plain "
    "ASCII",
    "not-utf8-comment": "the comment holds bytes that are not UTF-8 (it is skipped): save the file as UTF-8",
    "config-line-too-long": "the line is longer than {limit} bytes, where heartbeat would cut it in two: write it "
    "shorter",
    "more-problems": "{count} more problems in this file are not listed: mend those above first",
    "escaped-comment": "the backslash in column {column} is Markdown's, a comment begins with # alone: write {write}",
    "escaped-character": "the backslash in column {column} is Markdown's, {char} needs none: write {write}",
    "doubled-backslash": "the backslash in column {column} is doubled, one continues a line: write {write}",
    "html-entity": "{char} in column {column} is HTML's spelling: write {write}",
    "comment-mark": "{mark} in column {column} begins no comment here, # does: write {write}",
    "odd-blank": "the blank in column {column} is an odd one ({name}, {number}) from pasted text: write {write}",
    "odd-character": "{char} in column {column} ({name}, {number}) comes from pasted text: write {write}",
    "lookalike": "{char} in column {column} is no {latin} but looks like it ({name}, {number}): write {write}",
    "invisible-character": "an invisible {name} ({number}) stands in column {column}: write {write}",
    "odd-character-secret": "column {column} holds a character that is not plain ASCII (not shown, it may be part of a "
    "key): type the line anew",
    "quotes": "quotes are not read, they would become part of the value {word}: write {write}",
}

FILES = {
    "directory-missing": "there is no such directory: name the one that holds ha.cf, authkeys and haresources",
    "file-missing": "there is no such file in {dir}, and nothing starts without it: write it, the same on both nodes",
    "file-missing-near": "there is no such file in {dir}: {near} is there, rename it",
    "file-broken-link": "it is a link to {target}, which is not there: mend the link",
    "file-unreadable": "it cannot be read ({why}): look as root, as whom hbcored runs, and mend what is in the way",
    "file-not-regular": "it is no regular file: put a plain text file there",
    "file-too-large": "it is larger than {limit} bytes, no configuration of two nodes is: look what was written there",
    "file-writable": "everybody may write this file, and so decide what runs as root: chmod o-w {path}",
    "authkeys-mode": "its mode is {mode}, so others could read the keys: chmod 600 {path}",
    "authkeys-owner": "it belongs to user id {uid}, who could change the keys: chown root {path}",
    "nodeinfo": "heartbeat took this node's name from here, hbcored takes what `uname -n` prints: rename the machine, "
    "or start it with --node",
    "cluster-yaml-both": "it stands beside {others}, and only one of the two ways can be the truth: remove one of them",
    "cluster-yaml-later": "this version does not read it yet: write ha.cf, authkeys and haresources",
}

VALUES = {
    "no-value": "{option} has no value, the line is half finished: write for example `{example}`",
    "equals-sign": "{option} and its value are separated by a blank: write `{write}`",
    "too-many-values": "{option} takes one value, here are {first} and {second}: write the one you mean",
    "repeated": "{option} was already set in line {other}; this later one counts: remove one of them",
    "not-one-of": "{option} cannot be {word}: write one of {allowed}",
    "switch-bad": "{option} cannot be {word}: write on or off",
    "number-bad": "{word} is no whole number for {option}: write one from {low} to {high}",
    "number-range": "{option} cannot take {word}: write a number from {low} to {high}",
    "number-trailing": "{option} takes a plain whole number, and {char} in column {column} is no part of one: write "
    "`{line}`",
    "path-bad": "{option} needs the whole path of a file, {word} is not one: write it from / on",
    "time-bad": "{word} is no time: write seconds, such as 2 or 0.5, or milliseconds, such as 500ms",
    "time-unit": "{option} knows no unit {unit}: {word} is written {write}",
    "time-unit-whole": "{option} knows no unit {unit}: write {write} (seconds) or {ms}",
    "time-unit-unknown": "{option} knows no unit {unit} in {word}: write {number} for seconds or {number}ms",
    "time-split": "a unit stands directly after its number, or not at all: for {word} write {option} {write}",
    "time-comma": "a comma separates values, so {word} would be two times: write {option} {write}",
    "time-too-long": "{option} {word} is more than a day: write a time that somebody would wait for",
    "time-zero": "{option} cannot be 0: write for example `{example}`",
    "ipv4-bad": "{word} is no IPv4 address: write four numbers with dots, such as 192.168.1.2",
    "ipv4-parts": "{word} has {count} numbers where an IPv4 address has four: write all four",
    "ipv4-octet": "{word} is no address, {part} is more than 255: write numbers from 0 to 255",
    "ipv4-zero": "{part} in {word} begins with 0 and reads as octal to some tools: write {write}",
    "ipv4-multicast": "{word} is a multicast address, no machine has it: write the address of one machine",
    "ipv4-nobody": "{word} cannot be the address of a machine on a network: write one that others can reach",
    "ipv6-not-yet": "{word} is IPv6, which is spoken here from a later version on: write an IPv4 address",
    "ipv6-bad": "{word} is no IPv6 address: write eight groups of hexadecimal digits, such as 2001:db8:0:0:0:0:0:5, or "
    "2001:db8::5 for short",
    "ipv6-gaps": "{word} has more than one gap: `::` may stand once in an address, and length and device follow behind "
    "/, as in 2001:db8::5/64/eth0",
    "ipv6-brackets": "{word} is in brackets, as in a URL: write {write}",
    "ipv6-zone": "the device stands behind the length, not behind %, so {word} is written {write}",
    "ipv6-mapped": "{word} is an IPv4 address in IPv6 spelling, which no interface has: write {write}",
    "ipv6-reserved": "{word} is in a range that no network has: write one from 2000::/3, or from fd00::/8 for a "
    "network of your own",
    "ipv6-link-local": "{word} exists on every network anew, so it needs its device: write {write}",
    "ipv6-prefix": "{word} is no length of a prefix: write the number of its bits, 1 to 128, such as 64",
    "ipv6-empty-field": "{spec} has an empty part: write ADDRESS/LENGTH/DEVICE, leaving off from the right",
    "ipv6-fields": "{spec} has a part too many, IPv6 knows no broadcast address: write {write}",
    "device-alias": "{word} is a label, not a device: write {device}, the label is chosen when an address is added",
    "device-bad": "{word} is no name of a network device: write one as `ip link` shows it, of at most {limit} "
    "characters",
    "node-bad": "{word} is no name of a node: write what `uname -n` prints there, at most {limit} characters",
    "node-is-address": "a node is known by its name, not by the address {word}: write what `uname -n` prints there",
    "facility-bad": "there is no log facility {word}: write {near} (in lower case)",
    "cluster-bad": "{word} is no name of a cluster: use letters, digits, dots and dashes, at most 64",
}

HA_CF = {
    "unknown-directive": "ha.cf knows no {word}: see docs/ha.cf.md for what it knows, or begin the line with #",
    "unknown-directive-near": "ha.cf knows no {word}: the nearest is {near}",
    "unknown-device-first": "the line begins with the device {word}: write mcast, ucast or bcast before it",
    "no-node": "no node is named: write `node NAME1 NAME2` with what `uname -n` prints on each",
    "no-medium": "no way for heartbeats is named: write for example `mcast eth0 225.0.0.1 694 1 0`",
    "node-twice": "{node} was already named in line {other}: write the other node's name",
    "node-alone": "{node} is the only node, and a cluster has two: add a line `node` with the other one's name",
    "node-third": "{node} makes {count} nodes; this version runs exactly two: remove the others, more come later",
    "node-not-here": "this machine is {node}, but the nodes are {nodes}: write {node} (or rename the machine to "
    "{near})",
    "ping-is-node": "{word} is a node of this cluster, a ping node must be a third machine: write the router's address",
    "ping-is-peer": "{word} is the peer's address in line {other}, a ping node must be a third machine: write the "
    "router's",
    "ping-is-own": "the ping node {word} is this machine, which always answers itself: write the router's address",
    "ping-name": "the ping node {word} is a name, and name service may be what fails: write its address",
    "ping-twice": "{word} already stands in line {other}: a second line adds nothing",
    "ping-six": "{word} is an IPv6 address: write ping6 instead of ping",
    "ping6-four": "{word} is an IPv4 address: write ping instead of ping6",
    "ping6-scope": "{word} names a device, which only addresses of fe80::/10 need: write {write}",
    "ping6-no-scope": "{word} exists on every network anew, so it needs its device: write {write}",
    "ping-group-short": "ping_group has a name first, then the addresses, here {word} is all or stands first: write "
    "for example `{write}`",
    "ping-group-name": "{word} is no name for a ping group: use letters, digits, dots and dashes, at most {limit}",
    "ping-group-twice": "{word} was already named in line {other}: give this group another name",
    "ping-many": "more than {limit} ping nodes: keep the few that matter, such as the router",
    "media-comma": "the words of {option} are separated by blanks, not commas: write `{write}`",
    "media-device": "{option} begins with the device, not with the address {word}: write `{write}`",
    "media-short": "{option} lacks {missing}: write for example `{write}`",
    "media-long": "{word} is one word too many for {option}, which has {names}: remove it",
    "medium-twice": "this is the same path as in line {other}: write another device, or remove it",
    "medium-many": "more than {limit} paths for heartbeats: two or three on different wires are what helps",
    "mcast-group": "{word} is no multicast group: write one from 224.0.1.0 to 239.255.255.255, such as 225.0.0.1",
    "mcast-reserved": "{group} is in 224.0.0.0/24, which routers and other daemons use: better write 225.0.0.1",
    "ucast-name": "the peer {word} is a name, and name service may be what fails: write the peer's address",
    "ucast-multicast": "{word} is a multicast group: write `mcast` for it, or the peer's own address",
    "mcast-six": "{word} is a group of IPv6: write mcast6 instead of mcast",
    "mcast6-group": "{word} is no multicast group of IPv6: write one of ff02::/16, ff04::/16, ff05::/16 or ff08::/16, "
    "such as ff05::694",
    "mcast6-scope": "the scope of {word} is not one that heartbeats can have (2, 4, 5 or 8): write for example {write}",
    "ucast-six": "{word} is IPv6: write ucast6 instead of ucast",
    "ucast6-scope": "the scope of {word} is not the device {device} that the line names: write {write}",
    "ucast6-four": "{word} is an IPv4 address: write ucast instead of ucast6",
    "ucast6-multicast": "{word} is a multicast group: write `mcast6` for it, or the peer's own address",
    "udp-old": "udp is the old name of bcast and means the same: write `{write}`",
    "ucast-port": "{option} has no port of its own: write `{write}`, and `udpport {word}` in a line above it",
    "udpport-late": "udpport counts for the lines below it only, and {medium} stands in line {other}: move it above "
    "that",
    "baud-late": "baud counts for the lines below it only, and {medium} stands in line {other}: move it above that",
    "serial-slow": "at {baud} baud {device} cannot keep {groups} groups' lease with keepalive {keepalive} and deadtime "
    "{deadtime}: write keepalive {longer} and deadtime {later}, or baud {faster} above",
    "serial-slow-only": "at {baud} baud {device} cannot keep {groups} groups' lease with keepalive {keepalive} and "
    "deadtime {deadtime}: write keepalive {longer} and deadtime {later}",
    "udpport-mcast": "udpport {port} says nothing about mcast, whose line names port {mcast} itself: write it there",
    "failback-legacy": "the legacy way of auto_failback is gone, on is what comes next to it and applies: write on or "
    "off",
    "ha-continuation": "a line of ha.cf does not go on in the next one: write it whole, without the backslash",
    "respawn-short": "respawn needs a user and a whole path: write `respawn USER /path/program`, or remove the line",
    "respawn-many": "more than {limit} programs to respawn are too many",
    "respawn-no-user": "there is no user {user} on this machine to run {program} as",
    "respawn-no-user-near": "there is no user {user} on this machine to run {program} as; did you mean {near}?",
    "respawn-no-program": "there is no program {program} on this machine that can be run",
    "respawn-built-in": "{program} is built in, `ping` is all it needs: the line has no effect and can go",
    "respawn-unneeded": "{program} is a helper of the old heartbeat and is not started: the line has no effect and can "
    "go (docs/ha.cf.md says what does its work now)",
    "refused-media": "{option} is not spoken by this version: write mcast or ucast",
    "refused-hbaping": "hbaping (fibre channel) is not known to this version: write `ping` with the router's address",
    "refused-stonith": "fencing comes in a later version, and a cluster that believes in it without having it loses "
    "data: remove {option}, and fence by hand with `hbctl fence NODE --confirm-off`",
    "refused-watchdog": "the watchdog comes in a later version, and must not be believed in before: remove the line",
    "refused-failfast": "failfast would reboot the machine, this version never does: start the program by the "
    "system's own means and remove this line",
    "refused-nice-failback": "nice_failback was replaced long ago: write auto_failback on or auto_failback off",
    "refused-quorum-server": "a quorum server comes in a later version, and must not be believed in before: remove "
    "the line",
    "refused-site": "{option} never was a word of ha.cf: remove the line",
    "refused-autojoin": "autojoin {word} would let strangers in, two nodes are both named: write autojoin none",
    "refused-crm": "{option} {word} hands all resources to Pacemaker, which this version does not run: write {option} "
    "no, and the groups into haresources",
}

IDLE = {
    "idle-apiauth": "apiauth has no effect: the control socket asks the kernel who you are (root, and group haclient)",
    "idle-apphbd": "use_apphbd has no effect: hbcored watches its own processes",
    "idle-badpack": "log_badpack has no effect: every datagram is counted by class, see `hbctl status`",
    "idle-baud": "baud has no effect: no serial line is named",
    "idle-compression": "{option} has no effect: a heartbeat fits into one packet uncompressed",
    "idle-coredumps": "{option} has no effect: the system decides on core dumps",
    "idle-crm": "{option} has no effect: it belongs to Pacemaker, groups come from haresources",
    "idle-debug": "debug has no effect: events are always kept, see `hbctl events`",
    "idle-env": "env has no effect: scripts get heartbeat's own variables only, set yours in the script",
    "idle-generation": "hbgenmethod has no effect: the generation is kept in a file and never falls behind the clock",
    "idle-hopfudge": "hopfudge has no effect: a serial line joins two nodes, nothing is passed on",
    "idle-logd": "{option} has no effect: hbcored writes its log itself, without a log daemon",
    "idle-memreserve": "memreserve has no effect: memory is locked where the system lets us",
    "idle-msgfmt": "msgfmt has no effect: nodes of this version speak one format",
    "idle-poll": "normalpoll has no effect: it was an option of the old program's build",
    "idle-realtime": "{option} has no effect: real-time scheduling is taken where the system gives it, and said if not",
    "idle-rexmit": "max_rexmit_delay has no effect: each beat says all, nothing is sent again",
    "idle-syslogmsgfmt": "syslogmsgfmt has no effect: the log file has one format",
    "idle-uuid": "uuidfrom has no effect: nodes are known by their names",
}

TIMING = {
    "keepalive-short": "keepalive {keepalive} is too short: write {least} or more",
    "keepalive-long": "keepalive {keepalive} is too long: write {most} or less",
    "deadtime-long": "deadtime {deadtime} is longer than the other node would wait: write {most} or less",
    "deadtime-twice-keepalive": "deadtime {deadtime} must be more than twice keepalive {keepalive}: write deadtime "
    "{longer} or more, or keepalive {shorter} or less",
    "deadtime-twice-keepalive-only": "deadtime {deadtime} must be more than twice keepalive {keepalive}: write "
    "deadtime {longer} or more",
    "deadtime-lease": "deadtime {deadtime} leaves no room for a safe lease with keepalive {keepalive}: write deadtime "
    "{longer} or more, or keepalive {shorter} or less",
    "deadtime-lease-only": "deadtime {deadtime} leaves no room for a safe lease with keepalive {keepalive}: write "
    "deadtime {longer} or more",
    "deadtime-lease-fast": "deadtime {deadtime} leaves no room for a safe lease with keepalive {keepalive} under "
    "ordinary scheduling: write deadtime {longer} or more, or no times and `profile: fast` into hbcore.yaml",
    "timing-twice": "{option} already stands in {place}, and a time is said in one place: remove one of the two",
    "profile-other": "profile {profile} is keepalive {keepalive} and deadtime {deadtime}, but the files say {theirs}: "
    "remove that, or the profile",
    "initdead-short": "initdead {initdead} is shorter than deadtime {deadtime}: write initdead {deadtime} or more, "
    "better twice that",
    "deadping-short": "deadping {deadping} must be more than twice the keepalive: write {least} or more",
    "warntime-late": "warntime {warntime} is not before deadtime, it would never warn: write warntime {write}",
    "warntime-early": "warntime {warntime} is not longer than keepalive, it would always warn: write warntime {write}",
    "chosen": "left out, so profile {profile} applies (heartbeat's own in brackets): {listed}",
}

AUTHKEYS = {
    "auth-missing": "no key is chosen for signing: write `auth {id}` as the first line",
    "auth-no-number": "auth names no key, the line is half finished: write `auth 1`",
    "auth-number": "auth takes the number of a key, 0 to {limit}: write for example `auth 1`",
    "auth-two-words": "auth takes one number and nothing behind it: the key has a line of its own, such as `1 sha256 "
    "KEY`",
    "auth-twice": "auth already stands in line {other}: keep the one that shall sign",
    "auth-late": "auth {id} must come before the key it names (line {key}): move it to the top",
    "auth-no-key": "there is no key {id} (listed: {listed}): write a line `{id} sha256 KEY`, or name a listed one",
    "auth-spelling": "the line that chooses a key is spelled differently: write `auth {id}`",
    "authkeys-line": "a line is `auth NUMBER` or `NUMBER METHOD KEY`, this is neither (not shown, it may be a key): "
    "begin it with a number",
    "key-id": "a key's number is 0 to {limit}: write a smaller one",
    "key-twice": "key {id} already stands in line {other}, and the last would silently win: give it another number",
    "key-no-id": "a key's line begins with its number: write for example `1 {method} KEY`",
    "key-no-method": "key {id} has no method, the line is half finished: write `{id} sha256 KEY`",
    "key-method": "key {id} names no known method (not shown, it may be the key): write one of {methods}",
    "key-method-near": "key {id} names no known method, the nearest is {near}: write one of {methods}",
    "key-missing": "key {id} has no key text, which {method} requires: write one, such as `openssl rand -hex 16` "
    "prints",
    "key-comment": "what begins with # would be the key {id} itself, not a comment: write the key between {method} "
    "and it",
    "key-two-words": "key {id} has a blank in it, and all behind the blank would be dropped: write it as one word",
    "key-quotes": "quotes are not read, they would become part of key {id}: write the key without them",
    "key-long": "key {id} is longer than {limit} characters: 64 hexadecimal ones are as strong",
    "crc-with-key": "crc doesn't use a key, key {id} would not protect: write sha256 with it, or remove the key",
    "key-crc": "key {id} is crc, which anybody can forge, as every listed key is believed: write sha256 and a key",
    "key-weak": "key {id} ({method}) has {bits} bits; below {strong} heartbeats can be forged: write what `openssl "
    "rand -hex 16` prints",
}

HARESOURCES = {
    "no-group": "there is no group, so nothing is kept alive: write `NODE ADDRESS SERVICE`",
    "group-no-node": "the line begins with the resource {word}: write the preferred node before it",
    "group-continued": "{word} is no node: if this continues the line above, end line {above} with a backslash",
    "group-node": "there is no node {node} in ha.cf: write one of {nodes}",
    "group-node-near": "there is no node {node} in ha.cf: the nearest is {near}",
    "group-empty": "{node} stands alone, a group needs at least one resource: write `{node} ADDRESS SERVICE`",
    "group-empty-continued": "{node} stands alone: end line {above} with a backslash if it belongs to that group, or "
    "write `{node} ADDRESS SERVICE`",
    "group-twice": "{key} already begins the group in line {other}, and a group is known by its first resource: put "
    "both into one line, or begin with another",
    "group-digest": "groups {other} and {group} have the same digest on the wire: begin one of them with another "
    "resource",
    "group-many": "more than {limit} groups: put what belongs together into one line",
    "group-weight": "group {group} is {weight}: {why}",
    "weight-known-light": "all in it may run twice for a moment without harm",
    "weight-unknown-agent": "{of} is not known to bear running twice, even for a moment",
    "weight-tagged": "tagged so in {of}",
    "resource-many": "more than {limit} resources in one group: split it",
    "resource-twice": "{word} stands twice in this group: remove one",
    "resource-is-node": "{word} is a node, not a resource: begin a new line with it",
    "resource-comma": "resources are separated by blanks, not commas: write `{write}`",
    "resource-long": "a resource with its arguments is longer than {limit} characters: write it shorter",
    "lone-backslash": "a backslash in the middle of a line continues nothing: make it the last character, or remove it",
    "continuation-open": "the line ends with a backslash but nothing continues it: remove the backslash",
    "continuation-glued": "the backslash stands directly behind a word, and the next line begins without a blank, "
    "so the two may be one word: write a blank before the backslash",
    "continuation-then-blank": "a blank stands behind the backslash, which then continues nothing: remove the blank",
    "continuation-then-comment": "a comment stands behind the backslash, which then continues nothing: put the "
    "comment into a line of its own above",
    "continuation-comment": "heartbeat takes a comment in a continued line for resources: put it into a line of its "
    "own",
    "continuation-comment-line": "a comment line cuts the group that goes on from line {start}: move the comment "
    "above it",
    "args-empty": "{word} has an empty argument: write exactly one :: between arguments and none at the end",
    "single-colon": "arguments are separated by two colons: write {write}",
    "class-foreign": "{word} names the class {cls}, which is not run here: write {write}",
    "class-spelling": "{word} is not how a class is written: write {write}",
    "unit-args": "{word} gives arguments to a systemd unit, which takes none: write {write}",
    "unit-bad": "{word} is no name of a systemd unit: write one as `systemctl` shows it",
    "ocf-bad": "{word} is no name of an OCF agent, which is ocf:PROVIDER:TYPE: write {write}",
    "ocf-address": "{word} would put an address on that nothing guards: write the address itself, like "
    "192.168.1.100/24/eth0",
    "ocf-wrapper": "{word} is heartbeat's OCF wrapper, with its parameters in conf/OCF/{agent}/{instance}: write them "
    "here, as ocf:heartbeat:{agent}::NAME=VALUE",
    "ocf-param": "{word} is no parameter of an OCF agent: write its name before it, like directory=/srv",
    "kind-path": "{word} is a path, a script is found by its name: write the bare name of one in resource.d or "
    "/etc/init.d",
    "kind-bad": "{word} is no name of a script: write the name of one in resource.d or /etc/init.d",
    "ip-no-args": "{kind} has no address: write {write}",
    "ip-family": "{word} names an address of the other family than its agent knows: write {write}",
    "kind-spelling": "{word} is spelled differently: write {write}",
    "ip-colons": "the parts of an address are separated by /, not by ::, so {word} is read wrongly: write {write}",
    "ip-prefix": "{word} is no mask: write the number of bits, 1 to 32, such as 24",
    "ip-dotted-mask": "the mask is written as its number of bits, not {word}: write {write}",
    "ip-no-mask": "the part after the address is always the mask, {word} is none: write {write}",
    "ip-empty-field": "{spec} has an empty part: write ADDRESS/MASK/DEVICE/BROADCAST, leaving off from the right",
    "ip-fields": "{spec} has its parts in no known order: write ADDRESS/MASK/DEVICE/BROADCAST",
    "ip-is-broadcast": "{ip} is the broadcast address of its subnet {net}: write one that a machine can have",
    "ip-is-network": "{ip} is the subnet {net} itself: write one that a machine can have",
    "ip-broadcast-other": "{word} is not the broadcast address of {net}: write {write}, or leave it out",
    "vip-twice": "{ip} already stands in line {other}, one address cannot belong to two: remove one",
    "vip-is-ping": "{ip} is the ping node of ha.cf line {other}, which must stay where it is: write another address",
    "vip-is-link": "{ip} is the peer's own address in ha.cf line {other}, heartbeats need it: write another address",
    "script-shared": "{word} is in group {other} and in {group}: when both run on one node, stopping it for one stops "
    "it for both",
}

YAML = {
    "yaml-syntax": "this is no YAML here ({why}): see docs/ha.cf.md for the few lines that belong into it",
    "yaml-character": "the file holds the character {number}, which YAML forbids: delete it",
    "yaml-too-clever": "anchors, aliases and deep nesting are not read: write the value where it belongs",
    "yaml-no-schema": "the file does not say which schema it follows: write `schema: {schema}` as its first line",
    "yaml-schema": "this version reads schema {schema} only: write `schema: {schema}`, or install the newer version",
    "yaml-not-mapping": "{what} needs lines of the form `key: value`: see docs/ha.cf.md",
    "yaml-key-not-word": "{what} has a key that is no plain word: write one",
    "yaml-key-twice": "{key} stands twice in {what}: remove one",
    "yaml-key-later": "{key} in {what} is read from a later version on: remove it",
    "yaml-key-unknown": "{what} has no key {key}: the nearest is {near}",
    "yaml-short-weight": "a group has its values below it: write `{group}: {{weight: {weight}}}`",
    "yaml-choice": "{key} cannot be {word}: the nearest is {near} (there are {allowed})",
    "care-resource": "group {group} has no resource {resource}: the nearest is {near}",
    "care-address": "{resource} is an address, of which the kernel tells at once: remove the line",
    "care-monitor-often": "{resource} cannot be asked more often than once a second: write `monitor: 1` or more, or "
    "`never`",
    "yaml-group": "there is no group {group}: haresources has none",
    "yaml-group-near": "there is no group {group} in haresources: the nearest is {near}",
    "guard-heavy": "group {group} is heavy, and a heavy group is not gated without a watchdog: write `guard: auto`",
    "guard-no-address": "group {group} has no address that could be gated: write `guard: auto`",
    "guard-nothing": "no group is light and has an address, so there is nothing to gate: write `guard: auto`",
}

HERE = {
    "script-missing": "there is no script {kind} in {dir} or /etc/init.d: put one there that knows start, stop and "
    "status",
    "script-missing-near": "there is no script {kind} in {dir} or /etc/init.d: {near} is there, write that",
    "script-missing-unit": "there is no script {kind} in {dir} or /etc/init.d; systemd has {unit}: write "
    "systemd:{unit}",
    "script-missing-near-unit": "there is no script {kind} in {dir} or /etc/init.d: {near} is there, write that, or "
    "systemd:{unit}",
    "agent-missing": "there is no OCF agent {kind} ({path}): install Debian's resource-agents, or put it there",
    "agent-missing-near": "there is no OCF agent {kind} ({path}): the nearest is ocf:{near}",
    "unit-missing": "systemd has no unit {kind}: install what brings it, or write the one that `systemctl` shows",
    "unit-missing-near": "systemd has no unit {kind}: the nearest is {near}",
    "script-not-executable": "the script {path} is not executable: chmod 755 {path}",
    "script-is-directory": "{path} is a directory, where the script {kind} should be: put the script there",
    "script-broken-link": "{path} is a link to nowhere, where the script {kind} should be: mend the link",
    "script-not-regular": "{path} is no regular file, where the script {kind} should be: put the script there",
    "fast-needs-realtime": "profile fast needs real-time scheduling, which this system refuses: start hbcored as root "
    "or with CAP_SYS_NICE (in a cgroup: with a real-time budget), or write `profile: standard`",
    "guard-impossible": "{groups} must be guarded, but nftables says {error} here: modprobe nf_tables and run as root, "
    "or write `guard: auto`",
    "guard-off": "group {group} goes without a guard: with everything of ours frozen its address keeps answering (hole "
    "H6)",
    "no-control": "no ping node is named, so a node cannot tell its own cut wire from the peer's death: write `ping "
    "ADDRESS` with the router's (hole H3)",
    "one-link": "{device} is the only wire for heartbeats: another device, or a serial line, keeps one cut from "
    "counting",
    "ucast-no-subnet": "{target} is in no subnet of {device}, so nothing sent there arrives: write the device whose "
    "subnet holds it",
    "node-elsewhere": "this machine is {node}, none of the nodes, so its network was not looked at: name one with "
    "--node",
    "serial-not-there": "this machine has no {device} now, no heartbeat passes there until it comes: look at `dmesg`",
    "serial-no-line": "{device} is no serial line: write one such as /dev/ttyS0 or /dev/ttyUSB0",
    "serial-no-right": "{device} may not be read and written by this user: run hbcored as root or in the group dialout",
    "device-missing": "this machine has no device {device}: write one of {devices}",
    "vip-device-missing": "this machine has no device {device} for {ip}: write one of {devices}",
    "vip-no-subnet": "no subnet of this machine holds {ip} now, so it could not be added: write ADDRESS/MASK/DEVICE",
    "ipv6-off": "IPv6 is switched off on {device}, so {ip} could not be added: sysctl -w "
    "net.ipv6.conf.{device}.disable_ipv6=0",
    "arp-ignore": "{device} has arp_ignore {value}, so it stays silent when asked for {ip} and looks free to the "
    "peer: sysctl -w net.ipv4.conf.{device}.arp_ignore=0 (and the value for all)",
}

SENTENCES: dict[str, str] = {
    **LINES, **FILES, **VALUES, **HA_CF, **IDLE, **TIMING, **AUTHKEYS, **HARESOURCES, **YAML, **HERE,
}  # fmt: skip
