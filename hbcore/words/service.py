"""Sentences of what belongs to the machine around us: installed files, the service, its manual, the firewall."""

SENTENCES: dict[str, str] = {
    "help-install-compat": "link heartbeat's old commands (hb_standby, cl_status, ...) to what does their work today",
    "help-prefix": "below this directory instead of / (for packages)",
    "help-remove": "take away what was installed",
    "install-made": "{path}",
    "install-removed": "removed {path}",
    "install-nothing": "there was nothing of ours",
    "install-not-ours": "{path} is there and not ours (Debian's package heartbeat has such a file); nothing was "
    "installed. Remove its package first.",
    "install-failed": "{path} cannot be written: {error}",
}
