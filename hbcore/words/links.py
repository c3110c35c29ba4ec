"""Sentences of the links part of the house. "datagram-" codes are the classes that pulse counts."""

SENTENCES: dict[str, str] = {
    "link-closed": "not open",
    "link-no-device": "there is no network device {device}",
    "link-port-denied": "port {port} on {device} cannot be opened: {error}; ports below 1024 need root",
    "link-port-busy": "port {port} on {device} is taken by another program; is heartbeat or another hbcored running?",
    "link-open-failed": "port {port} on {device} cannot be opened: {error}",
    "link-unreachable": "no way from {device} to {target}: {error}; is {device} up, and has it an address?",
    "link-send-failed": "sending from {device} to {target} failed: {error}; does a firewall forbid it?",
    "link-no-broadcast": "{device} has no IPv4 address, so there is no broadcast on it",
    "link-device-off": "{device} is switched off: ip link set {device} up",
    "link-no-carrier": "{device} has no carrier: is its cable plugged in, and the switch on?",
    "link-not-on-device": "{target} is in no subnet of {device} ({subnets}), so nothing sent there arrives: is the "
    "device or the address a mistake?",
    "link-none-comes": "heartbeats are sent and none comes in; whether a rule here drops them could not be asked "
    "(nft, iptables-legacy-save)",
    "link-none-comes-unfiltered": "heartbeats are sent and none comes in; no rule of the firewall here drops them: "
    "look at the other node, its firewall, and the network between",
    "link-rule-in": "the firewall's chain `{chain}` here drops what comes in on {device} for UDP port {port}: allow it",
    "link-rule-in-perhaps": "heartbeats are sent and none comes in; the firewall's chain `{chain}` here drops what no "
    "rule lets in, UDP port {port} on {device} perhaps with it: look there first",
    "link-rule-out": "the firewall's chain `{chain}` here drops what goes out on {device} to UDP port {port}: allow it",
    "link-rule-out-perhaps": "heartbeats are sent and none comes in; the firewall's chain `{chain}` here drops what no "
    "rule lets out, UDP port {port} on {device} perhaps with it: look there first",
    "link-line-silent": "nothing comes in on {device}: is the cable a null modem's and plugged in at both ends, and "
    "does the other node have {baud} baud too?",
    "link-wrong-key": "what {source} sends is signed with another key {key} than the one here: make authkeys the same",
    "link-unknown-key": "what {source} sends is signed with key {key}, which authkeys here does not list: make it the "
    "same on both nodes",
    "link-foreign-cluster": "{source} speaks here for another cluster, with this one's key: its `cluster` or its "
    "nodes' names differ",
    "link-stranger": "{source} speaks here for another cluster, with a key of its own: give each its own group or port",
    "link-old-heartbeat": "{source} speaks the old heartbeat here, which hbcored does not hear: start hbcored there",
    "link-other-version": "{source} speaks a version of our protocol that this release does not read",
    "link-no-beats": "what {source} sends here is none of our heartbeats: who else uses this port?",
    "link-noise": "what comes in on {source} is no heartbeat: does the other node have the same baud rate?",
    "serial-missing": "there is no {device}: is the adapter plugged in, has the machine that port?",
    "serial-denied": "{device} cannot be opened: {error}; run hbcored as root or in the group dialout",
    "serial-busy": "{device} is taken by another program: {error}; does a getty or a modem manager have it?",
    "serial-no-tty": "{device} is no serial line: {error}",
    "serial-failed": "{device} cannot be used: {error}",
    "serial-full": "{device} takes nothing more, what is written to it does not leave: is its driver stuck?",
    "ping-denied": "ping nodes cannot be asked: that needs root, or a group within net.ipv4.ping_group_range",
    "ping-failed": "ping nodes cannot be asked: {error}",
    "datagram-old-heartbeat": "an old heartbeat speaks here",
    "datagram-truncated": "shorter than it says it is",
    "datagram-oversized": "longer than it says it is, or than any beat",
    "datagram-not-ours": "another protocol on our port",
    "datagram-version": "a version of our protocol that this release does not read",
    "datagram-unknown-key": "signed with a key number that authkeys here does not list",
    "datagram-bad-signature": "signed with a different key than the one of that number here, or forged",
    "datagram-foreign-cluster": "another cluster with the same key: the cluster's name or its node names differ",
    "datagram-malformed": "rightly signed, but not a beat within its bounds",
    "datagram-unknown-node": "rightly signed, but from no node of this configuration",
}
