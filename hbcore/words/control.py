"""Sentences of the control part of the house."""

SENTENCES: dict[str, str] = {
    # the socket
    "control-path-long": "The socket path {path} has {length} bytes; the kernel takes at most {most}. "
    "Choose a shorter runtime directory (--runtime).",
    "control-path-taken": "{path} exists and is not a socket; move it away, it is not ours to remove.",
    "control-busy": "Another hbcored already answers on {path}.",
    "control-no-socket": "The control socket {path} cannot be made: {error}.",
    "control-dropped": "A control client (pid {pid}, uid {uid}) did not read for too long and was dropped.",
    "control-internal": "The daemon failed while answering {method}; its log has the details.",
    # refusals of the server
    "not-permitted": "Only root and members of the group {group} may talk to this daemon.",
    "role-too-low": "{method} needs the role {least}; you are {role}.",
    "too-many-clients": "The daemon already has {most} clients; close one.",
    "too-many-requests": "{most} requests of yours are already under way; wait for one to end.",
    "line-too-long": "A message was longer than {most} bytes.",
    "bad-request": "That line is not a request: {error}.",
    "no-such-method": "There is no method {method}.",
    "bad-params": "The parameters of {method} do not fit: {error}.",
    # the way to a node
    "bad-target": "{target} is no target: give a socket path or [USER@]HOST[:PORT].",
    "no-daemon": "No hbcored answers on {path}; is it running? (hbcored, or HBCORE_RUNTIME for another place)",
    "socket-not-permitted": "You may not open {path}: only root and the group haclient may.",
    "socket-error": "{path} cannot be reached: {error}.",
    "no-answer": "{where} took the connection but says nothing for {seconds:g} s; hbcored may be stopped or hung.",
    "no-daemon-there": "No hbcored answers on {where}; is it running there?",
    "not-a-daemon": "{where} answers, but not as hbcored does.",
    "api-mismatch": "{where} runs hbcore {version} with control API {theirs}, which this program (API {ours}) does not "
    "speak: use the same major version on both.",
    "lost": "The connection to {where} was lost.",
    "timeout": "{where} did not answer {method} within {seconds} s.",
    "bad-answer": "{where} sent what is no message of this API: {error}.",
    # over SSH
    "no-ssh": "{host} cannot be reached: neither paramiko nor the ssh program is installed.",
    "ssh-failed": "SSH to {host} failed: {said}.",
    "unknown-host": "There is no host {host}.",
    "unreachable": "{host} port {port} cannot be reached: {error}.",
    "ssh-auth": "{user}@{host} let none of these keys in: {tried}. Load the right one with ssh-add.",
    "host-key-unknown": "{name} is not in known_hosts; its {kind} key is {fingerprint}. Compare it on the node "
    "(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then connect once with ssh.",
    "host-key-refused": "The host key of {name} was not accepted.",
    "host-key-changed": "The host key of {name} has CHANGED to {fingerprint}: somebody may be listening. "
    "If the node was reinstalled, run: ssh-keygen -R '{name}'",
    "host-key-not-saved": "The host key cannot be written to {path}: {error}.",
    "too-many-jumps": "More than {most} jump hosts lead to {host}.",
    "no-hbctl-there": "There is no hbctl to run on {where} ({said}); install it, or name it with HBCORE_REMOTE.",
    "not-permitted-there": "Your user on {where} may not talk to hbcored: it takes root or a member of haclient.",
    "bridge-failed": "hbctl stdio on {where} ended with code {status}: {said}.",
}
