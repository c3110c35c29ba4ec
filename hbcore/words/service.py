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
    "help-install-service": "install hbcored as a service of systemd, with its manual and the rotation of its log",
    "help-print": "show the unit and the rotation, install nothing",
    "help-firewall": "print the rules that let this configuration's heartbeats in",
    "hbcored-runs": "hbcored runs already (process {pid}, {path}); a second one is not started",
    "help-restart": "a new hbcored, by the files and the code on this disk, goes on in the place of the one that runs: "
    "no beat, address or service is missed",
    "help-by-systemd": "only where systemd is stopping the unit in order to start it again",
    "restart-done": "process {new} goes on in the place of {old}, after {took} ms",
    "restart-refused": "no new hbcored came up, so process {pid} goes on: see hbctl events, its log, and hbctl check",
    "service-next": "next: systemctl daemon-reload && systemctl enable --now hbcored",
    "firewall-wrong": "{where}: {what} (then firewall again; `hbctl check {path}` shows all there is to mend)",
    "firewall-nftables": "nftables; table and chain as in Debian's /etc/nftables.conf: write them there, too, to keep "
    "them",
    "firewall-iptables": "iptables; netfilter-persistent save (Debian's iptables-persistent) keeps them",
    "firewall-firewalld": "firewalld, in the default zone (--zone=ZONE for another)",
    "firewall-ufw": "ufw",
    "firewall-nothing": "Heartbeats come by serial lines only: there is nothing to open.",
    # the manual, around what is made from the grammar and the tables
    "man-hbctl": """hbctl looks at a cluster of hbcored(8) and steers it, from a terminal and from scripts.

Where a command acts, a terminal is shown the plan first and asked; elsewhere the words of the line are the consent.
Root may do everything, members of the group haclient may operate.""",
    "man-exits": """0 done; 1 refused or failed; 2 wrong usage; 3 no daemon answers; 4 not permitted; 130
interrupted.""",
    "man-environment": """HBCORE_RUNTIME: directory of the control socket (default /run/hbcore). HBCORE_CONFIG:
directory of the configuration (default /etc/ha.d). HBCORE_SSH: paramiko or ssh, how --host is reached.
HBCORE_SSH_CONFIG: another ssh_config(5). HBCORE_REMOTE: the program on the other machine (default hbctl). NO_COLOR:
no colours.""",
    "man-hbcored": """hbcored runs on each node of a cluster: heartbeats, takeover, virtual addresses, resource
scripts. It reads ha.cf, authkeys and haresources as heartbeat had them, and hbcore.yaml for what those have no word
for; see hbcore-ha.cf(5). It starts only where hbctl check finds no error, and stays in the foreground.

It is two processes: a small one that keeps the beat, and its child that decides and starts resources. Either is
started again by the other where it dies; what runs is adopted.""",
    "man-signals": """SIGTERM, SIGINT: release every group, hand over, end the programs of respawn lines, exit.

SIGHUP: read authkeys again; a changed ha.cf, haresources or hbcore.yaml is told, and read at the next start.

SIGUSR2: a new hbcored reads all files, and goes on in the place of this one without a missed beat, as by hbctl
restart.""",
    "man-service": """hbctl install-service installs hbcored.service, which is of Type=notify: the manager is told
when both processes are up (READY=1), that a reload has begun and ended, and that a release has begun (STOPPING=1);
WATCHDOG=1 only while both processes live. systemctl stop releases the groups, systemctl reload is SIGHUP;
systemctl restart keeps all that runs: a new hbcored goes on in the place of the old one. What the
cluster manages is not killed with hbcored (KillMode=process).

Do not enable a service that the cluster manages: it is the cluster's to start.""",
    "man-files": """/etc/ha.d: the configuration. /var/lib/hbcore: what survives a restart. /run/hbcore: the control
socket, and what scripts printed. /var/log/ha-log: the log, where ha.cf names it; rotated by
/etc/logrotate.d/hbcored, reopened by itself.""",
    "man-hbcored-exits": """0: told to end, and everything was released. 1: not started (standard error says why),
or not everything could be released.""",
    "man-ha-cf-about": "ha.cf as hbcored reads it",
    "man-ha-cf": """hbcored reads heartbeat's /etc/ha.d/ha.cf. This page tells what becomes of each directive; those
that would be dangerous to ignore are refused, and hbctl check says where and what to write instead.

A comment begins at # anywhere in a line. Values are separated by blanks or commas (those of mcast, ucast and
respawn by blanks only). Times are seconds, unless ms or us follows directly. Names of nodes are folded to lower
case and must be what uname -n prints.

What is left out takes the values of the profile (standard: keepalive 100 ms, deadtime 500 ms), not heartbeat's;
hbctl check and hbctl status show which.""",
    "man-cf-auto_failback": "on or off: whether a group goes home by itself; legacy is read as on",
    "man-cf-autojoin": "none; any and other are refused",
    "man-cf-baud": "speed of the serial lines below it; 19200 without it",
    "man-cf-bcast": "DEVICE ...: heartbeats by broadcast on each of them",
    "man-cf-udp": "the same as bcast, as heartbeat had it before",
    "man-cf-cluster": "a name that keeps clusters apart that share a wire and a key; linux-ha without it",
    "man-cf-crm": "no; anything else is refused",
    "man-cf-deadping": "after this silence a ping node is called down; as deadtime without it",
    "man-cf-deadtime": "after this silence a node is called dead; more than two keepalives, with room for a safe lease",
    "man-cf-debugfile": "PATH of the log of what scripts print",
    "man-cf-initdead": "how long a node that boots waits for the other; at least deadtime",
    "man-cf-keepalive": "time between two heartbeats, from 10 ms to 10 minutes",
    "man-cf-logfacility": "facility of syslog for scripts, in lower case, or none",
    "man-cf-logfile": "PATH of the log",
    "man-cf-mcast": "DEVICE GROUP PORT TTL LOOP: heartbeats by multicast; TTL 1 to 4, LOOP 0 or 1",
    "man-cf-mcast6": "DEVICE GROUP PORT HOPS LOOP: heartbeats by multicast over IPv6",
    "man-cf-node": "NAME of a node, exactly two of them",
    "man-cf-pacemaker": "no; anything else is refused",
    "man-cf-ping": "ADDRESS of a third machine, by which a node tells its own cut wire from the other's death",
    "man-cf-ping6": "ADDRESS of a third machine, over IPv6",
    "man-cf-ping_group": "NAME ADDRESS ...: counts as one ping node, up while any of them answers",
    "man-cf-respawn": "USER PROGRAM [ARGUMENT ...]: kept running as that user; exit code 100 means never again, and "
    "more than "
    "ten lives in a row under 30 s that it is given up. ipfail and pingd are built in",
    "man-cf-serial": "DEVICE ...: heartbeats over a serial line; at most half of what it carries",
    "man-cf-ucast": "DEVICE ADDRESS: heartbeats to the peer's address; a line with the own address is harmless",
    "man-cf-ucast6": "DEVICE ADDRESS[%DEVICE]: heartbeats to the peer's address over IPv6",
    "man-cf-udpport": "PORT for the ucast, ucast6 and bcast lines below it; 694 without it",
    "man-cf-warntime": "after this silence a late heartbeat is told; half of deadtime without it",
}
