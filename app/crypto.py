"""Encryption and keyed hashes for personal data (document numbers, telephone numbers).

A stored value is `key id ‖ 0x00 ‖ nonce (12 bytes) ‖ ciphertext and tag` under AES-256-GCM; the
key id says which
key of the ring opens it, so that keys can be rotated row by row. Look-ups go by an HMAC-SHA-256 of
the value.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class KeyringError(ValueError):
    """A key is missing or has the wrong length."""


@dataclass(frozen=True)
class Keyring:
    """The data keys by id (the first is used to encrypt) and the key of the look-up hashes."""

    keys: dict[str, bytes]
    hash_key: bytes
    current: str = field(default="")

    @classmethod
    def parse(cls, data_keys: str, hash_key: str) -> Keyring:
        """Read `id:base64,id:base64` (32-byte keys, the first one current) and a base64 hash
        key."""
        keys: dict[str, bytes] = {}
        for part in data_keys.split(","):
            key_id, _, encoded = part.strip().partition(":")
            key = base64.b64decode(encoded, validate=True)
            if not key_id or len(key) != 32:
                raise KeyringError("DATA_KEYS: each entry is id:base64 of 32 bytes")
            keys[key_id] = key
        raw_hash_key = base64.b64decode(hash_key, validate=True)
        if len(raw_hash_key) < 32:
            raise KeyringError("HASH_KEY: base64 of at least 32 bytes")
        return cls(keys, raw_hash_key, next(iter(keys)))

    def encrypt(self, text: str) -> bytes:
        """Seal `text` with the current key."""
        nonce = os.urandom(NONCE_BYTES)
        head = self.current.encode("ascii")
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, text.encode(), head)
        return head + b"\0" + nonce + sealed

    def decrypt(self, blob: bytes) -> str:
        """Open what `encrypt` sealed, with whichever key of the ring it names."""
        head, _, rest = blob.partition(b"\0")
        key = self.keys.get(head.decode("ascii"))
        if key is None:
            raise KeyringError(f"no data key {head.decode('ascii', 'replace')} in the ring")
        return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head).decode()

    def lookup_hash(self, text: str) -> str:
        """The keyed hash (64 hex digits) under which `text` is found without being stored in
        clear."""
        return hmac.new(self.hash_key, text.encode(), hashlib.sha256).hexdigest()


_ring: Keyring | None = None


def use_keyring(ring: Keyring) -> None:
    """Make `ring` the process's keyring; the factory calls it once."""
    global _ring  # noqa: PLW0603 -- set once at start, by the factory
    _ring = ring


def keyring() -> Keyring:
    """The keyring in use; raises KeyringError before the factory has set one."""
    if _ring is None:
        raise KeyringError("no data keys are configured")
    return _ring
