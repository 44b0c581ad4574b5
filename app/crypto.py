"""Encryption and keyed hashes for personal data (document numbers, telephone numbers).

A stored value is `head ‖ 0x00 ‖ nonce (12 bytes) ‖ ciphertext and tag (16 bytes)`. The head says
which key of the ring opens it and, unless it is AES-256-GCM, with which cipher (`k2~sm4-gcm`), so
that keys and ciphers are changed value by value; it is authenticated along. SM4 takes 16 bytes,
derived from the 32 of the ring by HKDF-SHA-256. Look-ups go by an HMAC-SHA-256 of the value.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16

AES = "aes-256-gcm"
SM4 = "sm4-gcm"
CIPHERS = (AES, SM4)

KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,24}")
_MARK = "~"


class KeyringError(ValueError):
    """A key is missing or has the wrong length, or a value was not sealed by this ring."""


@dataclass(frozen=True)
class Seal:
    """How a value was encrypted: with which key, by which cipher."""

    key_id: str
    cipher: str

    @property
    def head(self) -> bytes:
        """How a value sealed like this begins, up to the 0x00."""
        name = self.key_id if self.cipher == AES else f"{self.key_id}{_MARK}{self.cipher}"
        return name.encode("ascii")

    @classmethod
    def read(cls, head: bytes) -> Seal:
        """The seal a head names; KeyringError where it is none."""
        key_id, _, cipher = head.decode("ascii", "replace").partition(_MARK)
        if not KEY_ID.fullmatch(key_id) or (cipher or AES) not in CIPHERS:
            raise KeyringError("a value was not sealed by this portal")
        return cls(key_id, cipher or AES)


@dataclass(frozen=True)
class Keyring:
    """The data keys by id (the first is used to encrypt), the cipher that encrypts, and the key of
    the look-up hashes."""

    keys: dict[str, bytes]
    hash_key: bytes
    current: str = field(default="")
    cipher: str = AES

    @classmethod
    def parse(cls, data_keys: str, hash_key: str, cipher: str = AES) -> Keyring:
        """Read `id:base64,id:base64` (32-byte keys, the first one current) and a base64 hash
        key."""
        keys: dict[str, bytes] = {}
        for part in data_keys.split(","):
            key_id, _, encoded = part.strip().partition(":")
            key = base64.b64decode(encoded, validate=True)
            if not KEY_ID.fullmatch(key_id) or len(key) != 32:
                raise KeyringError("DATA_KEYS: each entry is id:base64 of 32 bytes")
            if key_id in keys:
                raise KeyringError(f"DATA_KEYS: the id {key_id} is there twice")
            keys[key_id] = key
        raw_hash_key = base64.b64decode(hash_key, validate=True)
        if len(raw_hash_key) < 32:
            raise KeyringError("HASH_KEY: base64 of at least 32 bytes")
        if cipher not in CIPHERS:
            raise KeyringError(f"DATA_CIPHER: one of {', '.join(CIPHERS)}")
        return cls(keys, raw_hash_key, next(iter(keys)), cipher)

    @property
    def seal(self) -> Seal:
        """How this ring encrypts."""
        return Seal(self.current, self.cipher)

    def encrypt(self, text: str) -> bytes:
        """Seal `text` with the current key and cipher."""
        seal = self.seal
        nonce = os.urandom(NONCE_BYTES)
        return seal.head + b"\0" + nonce + _lock(seal, self._key(seal), nonce, text.encode())

    def decrypt(self, blob: bytes) -> str:
        """Open what `encrypt` sealed, with the key and cipher it names; KeyringError otherwise."""
        head, _, rest = blob.partition(b"\0")
        seal = Seal.read(head)
        key = self._key(seal)
        try:
            return _open(seal, key, rest[:NONCE_BYTES], rest[NONCE_BYTES:]).decode()
        except (InvalidTag, ValueError) as error:
            raise KeyringError(f"a value does not open with the data key {seal.key_id}") from error

    def reseal(self, blob: bytes) -> bytes:
        """The same value under the current key and cipher."""
        return self.encrypt(self.decrypt(blob))

    def lookup_hash(self, text: str) -> str:
        """The keyed hash (64 hex digits) under which `text` is found without being stored in
        clear."""
        return hmac.new(self.hash_key, text.encode(), hashlib.sha256).hexdigest()

    def _key(self, seal: Seal) -> bytes:
        key = self.keys.get(seal.key_id)
        if key is None:
            raise KeyringError(f"no data key {seal.key_id} in the ring")
        if seal.cipher == AES:
            return key
        return HKDF(SHA256(), algorithms.SM4.block_size // 8, None, seal.cipher.encode()).derive(
            key
        )


def _lock(seal: Seal, key: bytes, nonce: bytes, content: bytes) -> bytes:
    if seal.cipher == AES:
        return AESGCM(key).encrypt(nonce, content, seal.head)
    locked = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    locked.authenticate_additional_data(seal.head)
    return locked.update(content) + locked.finalize() + locked.tag


def _open(seal: Seal, key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    if seal.cipher == AES:
        return AESGCM(key).decrypt(nonce, sealed, seal.head)
    content, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    opened = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
    opened.authenticate_additional_data(seal.head)
    return opened.update(content) + opened.finalize()


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
