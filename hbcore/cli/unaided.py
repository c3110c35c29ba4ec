"""What this node could run, found out by hbctl itself where no hbcored answers.

Owns nothing: it is hbcored's catalogue, with what hbcored would hand to it. Must not know what is printed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hbcore.agents.catalogue import Catalogue
from hbcore.agents.lookup import Places
from hbcore.agents.script import environment
from hbcore.cli.grammar import default_config
from hbcore.control.schema import Agent
from hbcore.daemon.described import described
from hbcore.formats.haresources import UNITS


async def names(kind: str | None) -> list[str]:
    with _catalogue() as catalogue:
        return await catalogue.names(kind or "")


async def show(word: str) -> Agent:
    with _catalogue() as catalogue:
        return described(word, await catalogue.show(word))


@contextmanager
def _catalogue() -> Iterator[Catalogue]:
    node, config = os.uname().nodename.lower(), Path(default_config())
    with tempfile.TemporaryDirectory() as scratch:
        yield Catalogue(Places(config), UNITS, environment(node, config, {}), Path(scratch))
