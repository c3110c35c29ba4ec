"""Sentences of the links part of the house. "datagram-" codes are the classes that pulse counts."""

SENTENCES: dict[str, str] = {
    "link-closed": "not open",
    "link-no-device": "there is no network device {device}",
    "link-port-denied": "port {port} on {device} cannot be opened: {error}; ports below 1024 need root",
    "link-port-busy": "port {port} on {device} is taken by another program; is heartbeat or another hbcored running?",
    "link-open-failed": "port {port} on {device} cannot be opened: {error}",
    "link-unreachable": "no way from {device} to {target}: {error}; is {device} up, and has it an address?",
    "link-send-failed": "sending from {device} to {target} failed: {error}; does a firewall forbid it?",
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
