"""The guard on Debian 12's own kernel, 6.1: ten leases in an emulated machine. `make kernel61` runs more on it."""

from __future__ import annotations

import subprocess

import pytest

from tests.kernel61 import boot


@pytest.mark.needs("qemu-system-x86_64", "apt-get", "dpkg-deb", "ldd")
@pytest.mark.timeout(boot.TIMEOUT_S + 60)
def test_ten_leases_are_renewed_and_end_on_debian_12s_own_kernel() -> None:
    try:
        boot.kernel()
    except (LookupError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Debian's Linux 6.1 cannot be had: {error}")
    told = boot.boot(["-m", "tests.kernel61.leases"])
    lines = told.split("\n")
    assert "status 0" in lines, told
    assert any(line.startswith("kernel 6.1.") and line.endswith("PASSED") for line in lines), told
    assert len([line for line in lines if line.startswith("OK lease ")]) == 60, told
