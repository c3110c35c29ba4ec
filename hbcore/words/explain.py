"""What hbctl explain says: what a cluster does on each fault, and what heartbeat 3 did.

"when-..." names a fault, "x-..." says what this cluster does, "hb-..." what heartbeat 3 does with the same files.
"""

WHEN = {
    "when-power": "A node that runs groups loses its power",
    "when-frozen": "All processes of hbcored on such a node stand still or are killed (no processor, SIGSTOP, kill -9)",
    "when-process": "One of the two processes of hbcored there dies, or hangs",
    "when-paused": "The hypervisor pauses such a node, and lets it go on",
    "when-one-link": "One path of the heartbeats is cut",
    "when-all-links": "All paths of the heartbeats are cut, and both nodes live",
    "when-card": "The network of the address fails on the node that runs the group, and heartbeats arrive by another",
    "when-ping": "The ping node is off",
    "when-idle": "A node that runs nothing reboots or loses its power",
    "when-boot": "Both nodes boot at once, or one alone",
    "when-leave": "hbcored is stopped, the machine is shut down in order, or an operator says standby",
    "when-service": "A service dies",
    "when-start": "A service does not start",
    "when-stop": "A service does not stop",
}

HERE = {
    "x-power-light": "{groups}: on the other node about {takeover} after the last heartbeat: {deadtime} of silence, "
    "then it announces that it takes over, and asks the network whether anybody has the address; plus what the "
    "scripts take",
    "x-power-heavy": "{groups}: on the other node about {takeover} after the last heartbeat, where neither the address "
    "nor the machine answers for so long; plus what the scripts take",
    "x-power-bare": "{groups}: on the other node about {takeover} after the last heartbeat, where the machine does not "
    "answer for so long (there is no address to ask for); plus what the scripts take",
    "x-power-ping": "the node that takes over must have reached {ping} without a break for {deadtime}",
    "x-back-on": "when the node is back, its groups go home once it has been well for {well} (auto_failback on)",
    "x-back-off": "when the node is back, its groups stay where they are (auto_failback off)",
    "x-frozen-gated": "{groups}: the kernel shuts the address {silent} after the lease was last renewed (if it has "
    "nftables, else hole H6); the other node takes over about {takeover} after the last heartbeat, so both never "
    "answer",
    "x-frozen-open": "{groups}: has no guard in the kernel, so its address may answer for {valid} more; so long the "
    "other node is held back and raises an alarm",
    "x-frozen-bare": "{groups}: cannot be silenced, and its machine answers: the other node raises an alarm and waits "
    "for `hbctl fence NODE --confirm-off`",
    "x-frozen-heavy": "{groups}: goes on there without a manager; the other node sees that the machine lives, raises "
    "an alarm, and waits for `hbctl fence NODE --confirm-off`",
    "x-process": "a dead one is started again at once and adopts what runs; of one that hangs, light groups are given "
    "away after {hung}, heavy ones go on without a manager",
    "x-paused": "as when all of hbcored stands still there, while it is paused; what follows is the hole",
    "x-one-link": "nothing moves; the link is shown as down after {deadtime}",
    "x-one-path": "{link} is the only path: see the next fault",
    "x-cut-veto": "{groups}: nothing moves as long as the owner answers for the address on the network, which is asked "
    "once a second; an alarm says so",
    "x-cut-heavy": "{groups}: nothing moves as long as the owner answers for the address, or its machine answers at "
    "all; an alarm says so",
    "x-cut-block": "{groups}: nothing moves as long as the owner's machine answers; an alarm says so",
    "x-cut-ping": "an owner that does not reach {ping} either takes its addresses off {lease} after the last answer "
    "and stops the rest {deadtime} later; the other node, if it reaches it, has them about {takeover} after the last "
    "heartbeat",
    "x-cut-gateway": "no ping node is named: hbcored asks the gateway of an address's network where there is one; "
    "where there is none, an owner that is cut off goes on, and the other node takes over",
    "x-card-ping": "the owner does not reach {ping} and the other node does: all is handed over in order, a little "
    "more than {deadtime} later",
    "x-card-gateway": "all is handed over in order a little more than {deadtime} later, where the network of the "
    "address has a gateway that only the other node reaches; else nothing moves",
    "x-ping": "nothing moves; when neither has reached it for {deadtime} it has no veto until it answers again",
    "x-idle": "nothing moves",
    "x-boot-both": "as soon as they hear each other every group starts at home",
    "x-boot-alone": "a node that hears nobody waits for {initdead}, then starts what is at home there, and {deadtime} "
    "later the rest; before each it asks the network",
    "x-leave": "its groups are stopped in order and given to the other node, which starts them at once: they are out "
    "as long as the scripts take. Standby lasts until `hbctl online`",
    "x-service": "{who}noticed within {every}: it and what started after it in its group is stopped and started again, "
    "and the address stays; once more than {restarts} times within {forget} the group moves to the other node",
    "x-service-move": "{who}noticed within {every}: the group moves to the other node at once",
    "x-service-ignore": "{who}noticed within {every} and told; nothing is done about it",
    "x-service-never": "{who}not noticed: its status is never asked",
    "x-address": "an address that somebody takes off is put on again",
    "x-start": "what was started of its group is stopped again, and the other node starts it; if it does not start "
    "there either it stays stopped until `hbctl group clear`",
    "x-start-hangs": "{who}a start that hangs has failed after {limit}",
    "x-stop": "{tries} attempts, a second apart; then the group is blocked there, with an alarm, and starts nowhere "
    "until `hbctl group clear`; other groups are not held up, and nothing is rebooted",
    "x-stop-hangs": "{who}a stop that hangs is ended after {limit}, and has failed",
}

HEARTBEAT = {
    "hb-power": "the other node takes everything {deadtime} after the last heartbeat, without asking whether it is off",
    "hb-power-legacy": "without auto_failback in ha.cf the old protocol applies: a node that comes back pulls its "
    "groups",
    "hb-frozen": "the other node takes everything after {deadtime}, while the services and addresses go on here, too: "
    "both run them until somebody ends it",
    "hb-process": "if its control process ends, what it ran goes on without a manager, and the other node takes it "
    "over, too",
    "hb-same": "the same",
    "hb-cut": "each node calls the other dead after {deadtime} and takes everything: both run all of it. When the "
    "paths are back, both stop everything, wait {restart}, and start again",
    "hb-card": "nothing: without ipfail nobody acts on it",
    "hb-card-ipfail": "ipfail compares the ping nodes that each side reaches: when one is called dead ({deadping}) the "
    "side that reaches fewer gives everything away {damping} later",
    "hb-ping": "nothing moves: both sides reach as few",
    "hb-boot": "each waits until every node and ping node was heard, or {initdead}; two that start together wait 10 s "
    "more and then take what is at home there",
    "hb-leave": "the same for a stop; hb_standby is dropped without a word while anything is under way, and nothing "
    "remembers it",
    "hb-service": "not noticed",
    "hb-start": "the whole group is stopped, and after 30 s all groups that are not at home here go to the other node, "
    "whichever failed; a script that hangs holds everything up, for an hour at most",
    "hb-stop": "after 11 attempts the machine is rebooted at once, without writing its disks, if status says running",
}

SAID = {
    "help-explain": "say in plain words what this cluster does on each fault, and what heartbeat did",
    "help-explain-dir": "directory of the configuration (default /etc/ha.d)",
    "explain-wrong": "{where}: {what} (then explain again; `hbctl check {path}` shows all there is to mend)",
    "explain-cluster": "cluster {cluster}: {nodes}",
    "explain-beat": "a heartbeat each {keepalive} on {links}; a node that is silent for {deadtime} is lost",
    "explain-link": "{device} ({target})",
    "explain-link-all": "{device} (broadcast)",
    "explain-line": "{device} ({baud} baud, there each {pace})",
    "explain-ping": "ping nodes: {ping}",
    "explain-no-ping": "no ping node",
    "explain-lease": "who runs a group holds a lease of {lease}, renewed at every beat; the kernel's gate outlives it "
    "by at most {ticket}",
    "explain-groups": "groups",
    "explain-no-groups": "there is no group, so none of this moves anything",
    "explain-group": "{group}: at home on {home}; {weight}: {why}",
    "explain-resources": "{resources}",
    "explain-heartbeat": "heartbeat 3: {text}",
    "explain-care": "hbcore.yaml says of {resource} (without it in brackets): {listed}",
    "explain-of": "{resource} of {group}",
    "explain-who": "{names}: ",
    "explain-hole": "hole {hole}: {whose}{text}",
    "explain-kind-bare": "without an address",
}

SENTENCES: dict[str, str] = WHEN | HERE | HEARTBEAT | SAID
