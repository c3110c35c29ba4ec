"""Sentences of the simulator: what was done to a simulated cluster, what came of it, and what hbctl drill says."""

FAULTS = {
    "fault-beats-to": "heartbeats of {node} on {device} are cut",
    "fault-beats-from": "heartbeats to {node} on {device} are cut",
    "fault-beats-both": "heartbeats on {device} are cut",
    "fault-all-beats": "heartbeats are cut on every link",
    "fault-card-down": "the cable of {node}'s {device} is pulled",
    "fault-card-silent": "{node}'s {device} loses every frame, and nobody is told",
    "fault-card-no-tx": "{node}'s {device} sends nothing any more",
    "fault-card-no-rx": "{node}'s {device} receives nothing any more",
    "fault-flap": "{node}'s {device} goes down and up every {ms} ms",
    "fault-switch": "the switch of {device} fails",
    "fault-pair": "the nodes do not reach each other on {device}, though both reach all else there",
    "fault-ping": "the ping node is gone",
    "fault-ping-one": "{node} alone does not reach the ping node",
    "fault-foreign": "a foreign machine says that it has an address of the cluster",
    "fault-noise-loss": "{permille} of 1000 frames are lost",
    "fault-noise-slow": "every heartbeat takes {ms} ms longer",
    "fault-replay": "somebody sends old heartbeats to {node} again",
    "fault-freeze": "all of ours on {node} is stopped (SIGSTOP)",
    "fault-hang": "the daemon of {node} hangs",
    "fault-still": "the heartbeat process of {node} stands still, its daemon goes on",
    "fault-pause": "the hypervisor pauses {node}",
    "fault-renew-pause": "{node}'s heartbeat process stops for {ms} ms in the middle of a renewal",
    "fault-wall": "the wall clock of {node} jumps by {ms} s",
    "fault-power": "{node} loses its power",
    "fault-power-wiped": "{node} loses its power, and its disk is wiped",
    "fault-power-stale": "{node} loses its power, and an old backup is put on its disk",
    "fault-daemon": "the daemon of {node} is killed",
    "fault-pulse": "the heartbeat process of {node} is killed",
    "fault-ours": "all of ours on {node} is killed; its services go on",
    "fault-leave": "hbcored on {node} is told to stop",
    "fault-edge": "{node} waits for a crash in the middle of a step ({detail})",
    "fault-disk-slow": "every write to {node}'s disk takes {ms} ms",
    "fault-disk-full": "the disk of {node} is full",
    "fault-flush": "somebody removes all firewall rules of {node} (nft flush ruleset)",
    "fault-address": "somebody takes the addresses off {node}",
    "fault-agent-fails": "scripts on {node} fail ({detail})",
    "fault-agent-hangs": "scripts on {node} hang ({detail})",
    "fault-order": "an operator on {node} orders: {detail}",
    "fault-ends": "over: {what}",
    "sim-edge-power": "{node} loses its power in the middle of a step",
    "sim-edge-daemon": "the daemon of {node} dies in the middle of a step",
    "sim-edge-freeze": "all of ours on {node} stops in the middle of a step",
    "sim-edge-hang": "the daemon of {node} hangs in the middle of a step",
    "sim-edge-pulse": "the heartbeat process of {node} dies in the middle of a step",
    "sim-healed": "everything is mended and switched on",
    "sim-answers": "{node} serves {group}",
    "sim-silent": "{node} serves {group} no more",
    "sim-two-owners": "two owners of {group} ({hole})",
    "sim-broken": "BROKEN {invariant}: {text}",
}

DRILL = {
    "drill-progress": "{done} of {total} runs, {speed} x real time, {left} s left (Ctrl-C: what was found so far)",
    "drill-shrinks": "seed {seed} broke: fewer faults? {tried} of {most} runs (Ctrl-C: as it is)",
    "drill-cluster": "{cluster}: {nodes}; {groups}; keepalive {keepalive}, deadtime {deadtime}",
    "drill-guard-here": "The kernel's guard works here, and is taken to work on the other node, too.",
    "drill-guard-none": "Simulated without the kernel's guard on both nodes (hole H6), for here nftables says {error}: "
    "modprobe nf_tables and run as root.",
    "drill-guard-unasked": "The kernel's guard is taken to work on both nodes: only root on a node can have it tried.",
    "drill-no-control": "Simulated without a ping node (hole H3), for none is on the network of {groups}: name one "
    "there; a gateway that hbcored finds in its place is not simulated.",
    "drill-one-network": "Addresses on {others} are simulated on {service}, with its faults.",
    "drill-control-near": "The ping node is taken to be on the network of {groups}, which the files do not tell.",
    "drill-would-not-start": "hbcored would not start with these files here, for {first} (`hbctl check {path}` shows "
    "all there is to mend); simulated all the same.",
    "drill-worker": "a process that simulates was killed, maybe for want of memory: look into the kernel's log, and "
    "try one processor (`taskset -c 0 hbctl drill ...`)",
    "drill-tried": "Tried: {runs} runs, in all {simulated} of simulated time ({speed} x real time), with {faults} "
    "faults:",
    "drill-none-taken": "NOTHING SHOWN: in none of them did a node take over. Ask for more runs (--seeds).",
    "drill-held": "Held: in none of them did two nodes run a group, but where a hole below says so; every start was "
    "licensed; after each run all groups ran, once, within {bound}.",
    "drill-broke": "BROKE: {count} of {runs} runs broke a promise. This is a bug of ours: please report it with the "
    "lines below.",
    "drill-recovery": "{group}: {count} x without an owner while a node was in trouble; half of them at most {median}, "
    "99 % at most {p99}, the longest {longest}",
    "drill-open": "{group}: {count} x of these it still had none when all was mended after {after}: the nodes by "
    "themselves would have taken longer, or for ever",
    "drill-no-recovery": "{group}: never without an owner for long enough to tell",
    "drill-hole": "{hole}: {count} x two owners, the longest {longest}. {text}",
    "drill-no-holes": "No hole was hit.",
    "drill-seed": "Seed {seed}, faults: {count}. Seconds, who, what:",
    "drill-wrong": "{where}: {what} (then drill again; `hbctl check {path}` shows all there is to mend)",
    "drill-no-group": "{where}: {what} (then drill again)",
}

# what a kind of fault is called in a list
KINDS = {
    "kind-beats": "heartbeats cut on one link, one way or both",
    "kind-all-beats": "heartbeats cut on every link",
    "kind-card": "a network card dead, deaf, mute or unplugged",
    "kind-flap": "a network card that goes up and down",
    "kind-switch": "a switch fails",
    "kind-pair": "the nodes cannot reach each other, but all else",
    "kind-ping": "the ping node is gone",
    "kind-foreign": "a foreign machine with an address of the cluster",
    "kind-noise": "frames lost or late",
    "kind-replay": "old and forged heartbeats sent by somebody",
    "kind-freeze": "all of ours on a node stopped for a while",
    "kind-hang": "a daemon that hangs",
    "kind-pause": "a virtual machine paused",
    "kind-renew-pause": "a pause in the middle of a lease's renewal",
    "kind-wall": "the wall clock jumps",
    "kind-power": "power lost, some disks wiped or old afterwards",
    "kind-daemon": "the daemon killed",
    "kind-pulse": "the heartbeat process killed",
    "kind-ours": "all of ours on a node killed",
    "kind-leave": "hbcored told to stop, and started again",
    "kind-edge": "a crash in the middle of a step",
    "kind-disk": "a disk slow or full",
    "kind-flush": "all firewall rules removed (nft flush ruleset)",
    "kind-address": "addresses taken off by hand",
    "kind-agent": "scripts that fail or hang",
    "kind-order": "operators' orders",
}

HOLES = {
    "drill-H1": "A paused or cut-off node goes on with a group that must not run twice: only fencing ends that.",
    "drill-H2": "Every direct path was cut while both nodes reached the ping node: add a path that fails by itself.",
    "drill-H3": "No ping node is configured and every path was cut: add a `ping` line.",
    "drill-H4": "A frozen node lost its network card too, and went on with a group that must not run twice.",
    "drill-H5": "A virtual machine was paused, and went on from where it was until its first heartbeat.",
    "drill-H6": "The kernel's guard was missing while a node was frozen.",
}

SENTENCES: dict[str, str] = FAULTS | DRILL | KINDS | HOLES
