"""Sentences of the lab part of the house."""

SENTENCES: dict[str, str] = {
    "lab-no-namespaces": "The lab cannot be built: the kernel refuses namespaces ({why}). Run it as root, or allow "
    "user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0.",
    "lab-no-program": "The lab needs the program {program}, which is not installed.",
    "lab-command-failed": "{command}: {said}",
    "lab-kernel": "The kernel refused: {why}.",
    "lab-node-count": "A lab has 2 to 32 nodes, not {count}.",
    "lab-unknown-node": "There is no node {node} in this lab, only {nodes}.",
    "lab-node-off": "{node} is powered off.",
    "lab-node-on": "{node} is powered on already.",
    "lab-unknown-kind": "There is no kind of process called {kind}, only {kinds}.",
    "lab-nothing-to-kill": "No {kind} process runs on {node}.",
    "lab-bad-command": "The lab does not understand this command: {why}.",
    "lab-no-capture": "No capture runs.",
    "lab-client-failed": "The client of the lab ended: {why}.",
    "lab-once-begin": "Two machines: {nodes}. A client asks {address} every 2 ms and fetches its page every 15 ms.",
    "lab-once-start": "{node} has the address and shows the page, {seconds:.1f} s after power on.",
    "lab-once-off": "{node}: power off.",
    "lab-once-takeover": "{node} has taken over: address silent for {echo}, page for {page}.",
    "lab-once-on": "{node}: power on.",
    "lab-once-failback": "{node} has the service back, {seconds:.1f} s after power on: address silent for {echo}, page "
    "for {page}.",
    "lab-once-not-served": "{node} does not serve after {seconds} s: echoes are answered by {echo}, "
    "the page by {page}.",
    "lab-once-log": "{node}, end of {file}:\n  {lines}",
    "lab-once-two-owners": "TWO OWNERS of the address at once: {conflicts}",
    "lab-once-good": "The service moved and came back; never two owners.",
    "lab-once-bad": "The service did not move and come back as it should.",
}
