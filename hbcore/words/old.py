"""Sentences of the old commands: cl_status, hb_standby, hb_takeover, send_arp, ha_propagate, and their links."""

SENTENCES: dict[str, str] = {
    "old-which": "call me by one of my names: {names}",
    # hb_standby, hb_takeover
    "standby-usage": """usage: hb_standby [all|local|foreign|failback]
Give groups to the other node: all (default), local (at home here), foreign or failback (at home there). The same as
`hbctl standby`, which also shows a plan first (--dry-run), waits (--wait) and names another node. 0: accepted; 1: not,
and standard error says why. A node in standby stays so until `hbctl online`.""",
    "takeover-usage": """usage: hb_takeover [all|local|foreign|failback]
Bring groups here: all (default), local or failback (at home here), foreign (at home on the other node). The same as
`hbctl takeover`, and where this node is in standby, `hbctl online` comes before it. 0: accepted; 1: not, and standard
error says why.""",
    "old-scope": "{given} is none of all, local, foreign, failback",
    "old-many": "too many arguments: {given}",
    # send_arp
    "send-arp-usage": """usage: send_arp [-i repeatinterval-ms] [-r repeatcount] [-p pidfile]
                device src_ip_addr src_hw_addr broadcast_ip_addr netmask
Tell the neighbours on a device that an IPv4 address is here: repeatcount times (1) an ARP request and an ARP reply,
half of repeatinterval-ms (1000) apart. src_hw_addr: 12 hex digits, with or without colons, or auto: the device's own.
broadcast_ip_addr and netmask were never looked at; anything fits. pidfile (a whole path) holds our process number until
we end; another send_arp that it names is ended. hbcored announces its own addresses by itself.""",
    "send-arp-address": "{given} is no IPv4 address",
    "send-arp-mac": "{given} is no hardware address: 12 hex digits, or auto",
    "send-arp-number": "{given} is not between {least} and {most}",
    "send-arp-device": "{device} cannot be sent on: {error}",
    "send-arp-pidfile": "{path} cannot be the pidfile: {error}",
    # ha_propagate and its other end
    "help-receive": "the other end of ha_propagate: files of a configuration come in on standard input",
    "propagate-about": """Copies this node's configuration to the other nodes of ha.cf over SSH, and shows first what
would change there. ha.cf and authkeys go; the other files only with --all; scripts of resource.d never.""",
    "propagate-epilog": """What was there is kept beside it as NAME.before. A node where the files together would be
wrong keeps its own. Keys are never shown. 0: all nodes have the files; 1: not all, and standard error says why.""",
    "propagate-all": "haresources and hbcore.yaml too",
    "propagate-yes": "ask nothing",
    "propagate-config": "the directory here (default: HBCORE_CONFIG or /etc/ha.d); there it is that node's own",
    "propagate-nodes": "only these, as [USER@]HOST (default: the other nodes of ha.cf)",
    "propagate-wrong-here": "nothing is copied: the files here are wrong, see above",
    "propagate-nobody": "ha.cf names no other node than {node}",
    "propagate-same": "{node}: {name} is the same there",
    "propagate-absent": "{node}: {name} is not there yet",
    "propagate-differs": "{node}: {name} differs (keys are not shown)",
    "propagate-nothing": "{node}: nothing to do",
    "propagate-wrong": "{node}: its own files stay, for together with these they would be wrong:",
    "propagate-ask": "{node}: replace {names} in {dir}? [y/N]",
    "propagate-no-terminal": "{node}: nothing was replaced: there is no terminal to ask at, so give --yes",
    "propagate-kept": "{node}: nothing was replaced",
    "propagate-done": "{node}: {names} in {dir}",
    "propagate-copies": "{node}: what was there is kept as {names}",
    "propagate-keys-next": "next, on each node: systemctl reload hbcored (or SIGHUP): it takes the new authkeys",
    "propagate-files-next": "next, on one node after the other: systemctl restart hbcored: the other files are read "
    "at a start",
    "propagate-unlike": "{where}: it answers, but not as hbctl receive does; is its version as old as this?",
    "receive-wrong": "that is not what ha_propagate sends: {error}",
    "receive-name": "{name} is no file that is copied",
    "receive-large": "{name} has more than {most} bytes",
    "receive-changed": "{name} was changed here meanwhile; look again",
    "receive-failed": "{path}: {error}",
    # cl_status: the lines that scripts compare are heartbeat's interface, the rest are ours
    "cl-about": "What heartbeat's cl_status said, answered by hbcored.",
    "cl-epilog": """sub-commands:
  hbstatus [-v]                   does it run here
  listnodes [-n|-p] [-v]          the nodes: all, normal ones, ping nodes
  nodestatus NODE                 active, up, init, dead; ping for a ping node that answers
  nodetype NODE                   normal or ping
  nodeweight NODE, nodesite NODE  as nothing was ever set: 100 and nothing
  listhblinks NODE [-v]           the links to a node
  hblinkstatus NODE LINK          up or dead
  clientstatus NODE CLIENT [MS]   always offline: hbcored has no clients of heartbeat's kind
  rscstatus                       none, local, foreign, all or transition
  hbparameter -p NAME             a value, as it would be written in ha.cf

-m says it in a sentence. Exit codes: 0 yes or done, 1 no or failed, 11 wrong parameters, 12 no answer in 5 s,
13 anything else; clientstatus also 2 and 3.""",
    "cl-help-m": "say it in a sentence",
    "cl-help-n": "list only normal nodes",
    "cl-help-p": "list only ping nodes; with hbparameter: the parameter's NAME follows",
    "cl-help-v": "say more",
    "cl-words": "{command} wants parameters: {least}; given: {given}",
    "cl-running": "Heartbeat is running on this machine.",
    "cl-stopped": "Heartbeat is stopped on this machine.",
    "cl-refuses": "Heartbeat is apparently running on this machine, but refuses my connection.",
    "cl-no-node": "there is no node {name}; nearest: {near}",
    "cl-no-link": "no link {link} leads to {name}; there are: {known}",
    "cl-own-link": "{name} is this node, and no link leads to itself; ask about {other}",
    "cl-one-way": "{link} from {name} is heard, but {name} does not hear us on it",
    "cl-no-clients": "hbcored has no clients of heartbeat's kind ({client}); what ipfail and pingd did is built in",
    "cl-no-parameter": "hbcored tells no value of {name}; it tells: {known}",
    "cl-no-name": "hbparameter needs -p NAME; there are: {known}",
    "cl-partly": "this node holds {held} of {all} groups; `hbctl status` says which",
    "cl-version": "version:\t{version}",
    "cl-managed": "managed by:\tharesources",
    "cl-is-node": "{name} is a {kind} node and {state}.",
    "cl-is-type": "{name} is a {kind} node.",
    "cl-is-weight": "{name} weighs {value}: hbcored has no weights, every node has the same.",
    "cl-is-site": "{name} has no site: hbcored knows none.",
    "cl-is-link": "The link {link} to {name} is {state}.",
    "cl-is-client": "{client} on {name} is {state}.",
    "cl-is-holding": "This node holds: {state}.",
    "cl-is-parameter": "{name} is {value}.",
    "cl-listed": "The links to {name}:",
    "cl-nodes": "The nodes of the cluster:",
}
