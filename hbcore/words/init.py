"""What hbctl init writes and says: the comments that teach in a first configuration, and the next steps.

Codes "file-..." are comments in the three files; they are wrapped when written.
"""

FILES = {
    "file-ha-head": "ha.cf of the cluster {nodes}, written by `hbctl init` on {node}. The same file belongs on both "
    "nodes. `hbctl check` reads it as hbcored does, and says what it leaves out; docs/ha.cf.md has every word.",
    "file-ha-log": "What happens is written here, beside the journal.",
    "file-ha-times": "No times are given, so profile standard applies: a heartbeat each {keepalive}, and a node that "
    "is silent for {deadtime} is lost. heartbeat waited 30 s. Virtual machines that are paused now and then, or two "
    "sites, want more: a file hbcore.yaml with the lines `schema: 1` and `profile: vm` (or `wan`).",
    "file-ha-mcast": "Where heartbeats go: device, multicast group, port, hops, loop. One wire is one thing that can "
    "break: a second line for another device keeps a cut cable from looking like a dead node.",
    "file-ha-ucast": "Where heartbeats go: device and address, of both nodes, so that the file can be the same on both "
    "(each skips its own). One wire is one thing that can break: two more lines for another device keep a cut cable "
    "from looking like a dead node.",
    "file-ha-ping": "A third machine that always answers, here the router. By it a node tells its own cut wire from "
    "the other's death.",
    "file-ha-no-ping": "No router was found to put here, so a node could not tell its own cut wire from the other's "
    "death: name one in a line `ping ADDRESS`.",
    "file-ha-failback": "`on`: what moved away goes home by itself, once its home has been well for two deadtimes. "
    "`off`: it stays until somebody moves it.",
    "file-ha-node": "The two nodes, as `uname -n` prints them.",
    "file-keys": "Who has this key can speak as one of the nodes: mode 0600, the same on both, and it travels over SSH "
    "only. To change it: add a key 2 on both and reload, then `auth 2` on both and reload, then remove key 1.",
    "file-res-head": "One line is one group: the node where it is at home, then its resources. They start from left to "
    "right, stop from right to left, and are always together on one node.",
    "file-res-script": "A word that is no address is a script that knows start, stop and status, from resource.d "
    "beside this file or from /etc/init.d. The system itself must not start it at boot (systemctl disable).",
    "file-res-none": "There is no group yet. Write one like this, with an address that no machine has:",
}

SAID = {
    "help-init": "write a first configuration: ha.cf, authkeys with a new key, haresources",
    "help-init-dir": "where to (default /etc/ha.d); no file there is overwritten",
    "help-init-peer": "the other node, as `uname -n` prints it there",
    "help-init-node": "this node (default: what `uname -n` prints)",
    "help-init-peer-address": "the peer's address on a wire that both have: heartbeats go there (default: by "
    "multicast); may be given for each wire",
    "help-init-device": "device of the heartbeats (default: that of the address, or the one to the router); may be "
    "given for each wire",
    "help-init-address": "virtual address: IP, or IP/MASK/DEVICE",
    "help-init-service": "script that goes with the address; may be given several times",
    "help-init-ping": "address of a machine that always answers (default: the gateway)",
    "init-no-peer": "Say who the other node is: --peer NAME, with what `uname -n` prints there.",
    "init-peer-self": "{peer} is this node: give --peer the name of the other one.",
    "init-option": "{option}: {what}.",
    "init-exists": "There is {files} in {dir} already, and it may be in use: nothing was written; name another "
    "directory.",
    "init-cannot-write": "{path} cannot be written ({error}).",
    "init-no-device": "No device for heartbeats could be found out: name one with --device (here: {devices}).",
    "init-device": "--device: this machine has no {device}, but {devices}.",
    "init-peer-far": "--peer-address: {ip} is in no subnet of this machine, so this node's own address there is not "
    "known; write ha.cf by hand (docs/ha.cf.md).",
    "init-far": "--address: {ip} is in no subnet of this machine, so its mask and device are not known: give "
    "ADDRESS/MASK/DEVICE.",
    "init-refused": "Nothing was written: {what}",
    "init-wrote": "wrote {path}",
    "init-next-read": "Read them, and change what is not meant.",
    "init-next-copy": "Copy them: ssh root@{peer} mkdir -p {dir} && scp -p {paths} root@{peer}:{dir}/",
    "init-next-start": "On both nodes: hbctl check {dir} and hbctl doctor --config {dir}, then hbcored.",
    "init-next-explain": "What this cluster does when something fails: hbctl explain {dir}",
}

SENTENCES: dict[str, str] = FILES | SAID
