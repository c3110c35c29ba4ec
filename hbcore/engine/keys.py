"""The keys that sign beats: as authkeys lists them.

Owns the shapes only; reading the file is formats', signing is links'.
Invariant: a secret never shows in a repr, a log or an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Method(StrEnum):
    """`crc` has no key and no security; md5 and sha1 are HMACs as heartbeat's; sha256 is ours."""

    CRC = "crc"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class Key:
    """One line of authkeys. `secret` is empty for crc."""

    id: int
    method: Method
    secret: bytes = field(repr=False, default=b"")

    @property
    def bits(self) -> int:
        """Strength by safety.md 4 H7: 4 bits a character where all are hex, else 6; crc has none."""
        hexadecimal = all(c in b"0123456789abcdefABCDEF" for c in self.secret)
        return len(self.secret) * (4 if hexadecimal else 6)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All listed keys verify; `sign` is the id that signs (the `auth` line)."""

    sign: int
    keys: tuple[Key, ...]

    def find(self, key_id: int) -> Key | None:
        return next((k for k in self.keys if k.id == key_id), None)

    @property
    def signer(self) -> Key:
        key = self.find(self.sign)
        assert key is not None, "a Keyring's signer is listed"
        return key

    @property
    def weakest_bits(self) -> int:
        """The hole H7 is that of the weakest key that still verifies."""
        return min(k.bits for k in self.keys)
