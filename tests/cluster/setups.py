"""The tutorial's five setups with real servers: what stands in /etc/ha.d, and what is on the shared disk.

Owns the files of each. Invariant: `haresources` is as a user of the tutorial would write it. Must not know what is done
to the nodes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.harness import TUTORIAL, VIP
from tests.cluster.shared_disk import LINK, SharedDisk
from tests.cluster.stalls import ROOT

FILES = ROOT / "tests/data/setups"
SECOND = "192.168.100.101"
MOUNT = "/srv"
OWN = "/etc/ha.d/www"  # pages on each node's own disk
SHARED = f"{MOUNT}/www"
IP = f"{VIP}/24/eth0/192.168.100.255"
DISK = f"Filesystem::/etc/ha.d/{LINK}::{MOUNT}::ext4"
DATABASE = (
    "ocf:heartbeat:mysql::config=/etc/ha.d/my.cnf::datadir=/srv/mysql::log=/var/log/mysql.log"
    "::socket=/run/mysqld/mysqld.sock::pid=/run/mysqld/mysqld.pid"
)
PHP = """LoadModule php_module {module}
<FilesMatch "\\.php$">
    SetHandler application/x-httpd-php
</FilesMatch>
"""
TABLES = """FLUSH PRIVILEGES;
CREATE DATABASE site;
USE site;
CREATE TABLE posts (number INT PRIMARY KEY, node VARCHAR(80), at TIMESTAMP DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB;
CREATE USER app@'%';
GRANT ALL ON site.* TO app@'%';
"""


def apache(address: str = VIP) -> str:
    return f"apache::/etc/ha.d/apache-{address}.conf"


@dataclass(frozen=True, slots=True)
class Setup:
    """`groups`: lines of haresources. `sites`: address -> where its pages are."""

    groups: tuple[str, ...]
    sites: Mapping[str, str] = field(default_factory=dict)
    database: bool = False
    php: bool = False


SETUPS = {
    "a": Setup((f"node1.xiaofei.com {IP} {apache()}",), {VIP: OWN}),
    "b": Setup((f"node1.xiaofei.com {IP} {DISK} {apache()}",), {VIP: SHARED}),
    "c": Setup((f"node1.xiaofei.com {IP} {DISK} {DATABASE}",), database=True),
    "d": Setup(
        (f"node1.xiaofei.com {IP} {apache()}", f"node2.xiaofei.com {SECOND}/24/eth0 {apache(SECOND)}"),
        {VIP: OWN, SECOND: OWN},
    ),
    "e": Setup((f"node1.xiaofei.com {IP} {DISK} {DATABASE} {apache()}",), {VIP: SHARED}, database=True, php=True),
}


def configuration(setup: Setup, folder: Path) -> Path:
    """A folder for both nodes' /etc/ha.d: the tutorial's ha.cf and authkeys, and what the setup needs."""
    place = folder / "ha.d"
    shutil.copytree(TUTORIAL, place)
    (place / "haresources").write_text("".join(f"{line}\n" for line in setup.groups))
    template = (FILES / "apache2.conf").read_text()
    for address, pages in setup.sites.items():
        text = template.replace("ADDRESS", address).replace("PAGES", pages)
        if setup.php:
            (module,) = Path("/usr/lib/apache2/modules").glob("libphp*.so")
            text += PHP.format(module=module)
        (place / f"apache-{address}.conf").write_text(text)
    shutil.copytree(FILES, place / "www", ignore=shutil.ignore_patterns("*.conf", "*.cnf", "*.php"))
    if setup.database:
        shutil.copy(FILES / "my.cnf", place)
    return place


def fill(setup: Setup, disk: SharedDisk) -> None:
    """What the services find on the shared disk at their first start."""
    with disk.filled() as place:
        pages = place / "www"
        pages.mkdir()
        shutil.copy(FILES / ("index.php" if setup.php else "index.html"), pages)
        if setup.database:
            _tables(place / "mysql")


def _tables(data: Path) -> None:
    options = ["--no-defaults", f"--datadir={data}", "--user=mysql", "--innodb-log-file-size=16M"]
    install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    subprocess.run(
        ["/usr/sbin/mariadbd", *options, "--bootstrap"],
        input=TABLES.encode(), check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert os.path.isdir(data / "site")
