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
}
