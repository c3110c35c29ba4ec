"""Sentences of the agents part of the house, and of what the host does for it: addresses, scripts, files, real time."""

SENTENCES: dict[str, str] = {
    "address-up": "{address}",
    "address-adopted": "{address}, found here and kept",
    "address-down": "{ip} taken off",
    "address-absent": "{ip} is not on this node",
    "address-present": "{address}",
    "address-late": "{ip} was not put on: the permission to start had run out",
    "address-ungated": "{ip} was not put on {device}: the kernel's guard could not be shut before ({why})",
    "address-refused": "the kernel refused to change {ip} on {device}: {why}",
    "address-ipv6-off": "IPv6 is switched off on {device}, so it takes no {ip}:"
    " sysctl -w net.ipv6.conf.{device}.disable_ipv6=0",
    "address-timeout": "the kernel did not answer in time about {ip}",
    "address-unknown": "the kernel could not be asked about {ip}: {why}",
    "address-no-device": "there is no interface {device} here (there are: {have})",
    "address-no-device-near": "there is no interface {device} here; did you mean {near}? (there are: {have})",
    "address-no-subnet": "no interface here has an address in the subnet of {ip} (subnets here: {subnets});"
    " write the interface: {ip}/{bits}/eth0",
    "address-no-prefix": "the netmask of {ip} is not written, and {device} has no address in its subnet"
    " (subnets there: {subnets}); write it: {ip}/{bits}/{device}",
    "address-device-down": "the interface {device} for {ip} is down",
    "resource-late": "{resource} was not begun: the permission to start had run out",
    "script-done": "{path} {operation}: {said}",
    "script-running": "{path}: running",
    "script-stopped": "{path}: stopped",
    "script-failed": "{path} {operation} failed with exit code {exit}: {said}",
    "script-unclear": "{path} {operation} does not say whether it runs (exit code {exit}): {said}",
    "script-timeout": "{path} {operation} was killed after {seconds} s; what it left is unknown: {said}",
    "script-killed": "{path} {operation} was killed; what it left is unknown: {said}",
    "script-hung": "{path} {operation} could not be ended: its process {pids} hangs in the kernel, and what it will"
    " have done is unknown: {said}",
    "resource-hangs": "{resource}: {operation} was not begun, and whether it runs is unknown: process {pids} of its"
    " last {former} hangs in the kernel",
    "script-not-run": "{path} could not be run: {why}",
    "unit-job": "{unit}: {operation} {result}",
    "unit-state": "{unit} is {state}",
    "unit-hangs": "{unit}: whether it runs is unknown: its process {pids} hangs in the kernel",
    "unit-timeout": "{unit}: systemd did not {operation} it within {seconds} s; its state is unknown",
    "unit-refused": "{unit}: systemd refused to {operation} it: {why}",
    "systemd-unreachable": "{unit}: systemd cannot be asked: {why}",
    "resource-without-script": "no script for {kind} can be run here (found: {path})",
    "agent-word": "{word} names no agent: ocf:PROVIDER:TYPE, systemd:UNIT, lsb:SCRIPT or a script's name",
    "agent-not-here": "there is no {word} on this node; `hbctl agents` lists what there is",
    "agent-not-here-near": "there is no {word} on this node; did you mean {near}?",
    "agent-unusable": "{path} is there, but it is no program that can be run",
    "agent-silent": "{path} meta-data did not describe it (exit code {exit}, {why}): {said}",
    "respawn-started": "{program} runs as {user} (process {pid})",
    "respawn-ended": "{program} ended ({how}) after {seconds} s and is started again: {said}",
    "respawn-never": "{program} ended with exit code 100, so it is not started again: {said}",
    "respawn-given-up": "{program} ended ({how}) more than {most} times in a row within {seconds} s of its start: it is"
    " given up until hbcored is started anew: {said}",
    "respawn-not-run": "{program} could not be run as {user}: {error}",
    "state-newer-format": "{path} was written by a newer version (format {found}, known here: {known});"
    " it is left as it is",
    "state-damaged": "{path} is damaged ({trouble}) and kept as {kept}: this node starts as one that knows nothing; its"
    " rights to run groups, the definitions last agreed with the other node, orders that only this node knew and the"
    " counts of failbacks are lost",
    "incarnation-damaged": "{path} is damaged ({trouble}) and kept as {kept}: this node's lives are counted from the"
    " clock again",
    "state-unreadable": "{path} cannot be read: {why}",
    "realtime-refused": "real-time scheduling was refused; beats may be late under load",
    "memlock-limit": "memory is not locked: the limit for locked memory (RLIMIT_MEMLOCK) stands against it",
    "memlock-refused": "locking memory was refused",
    "oom-refused": "protection from the out-of-memory killer was refused",
}
