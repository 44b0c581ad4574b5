"""Encryption of personal data: two ciphers, several keys, what was sealed stays readable."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.crypto import AES, SM4, Keyring, KeyringError, Seal

NUMBER = "11010519491231002X"


def key() -> str:
    """A new key in base64."""
    return base64.b64encode(os.urandom(32)).decode()


K1, K2, HASH = key(), key(), key()


def ring(*ids: str, cipher: str = AES) -> Keyring:
    """A ring of k1 and k2 in this order."""
    known = {"k1": K1, "k2": K2}
    return Keyring.parse(",".join(f"{i}:{known[i]}" for i in ids), HASH, cipher)


@pytest.mark.parametrize("cipher", [AES, SM4])
def test_a_value_opens_again_and_is_never_sealed_alike(cipher: str) -> None:
    one = ring("k1", cipher=cipher)
    sealed = one.encrypt(NUMBER)
    assert one.decrypt(sealed) == NUMBER
    assert sealed != one.encrypt(NUMBER)
    assert NUMBER.encode() not in sealed


def test_sm4_gcm_of_this_machine_is_that_of_rfc_8998() -> None:
    plain = bytes.fromhex(
        "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
        "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
    )
    cipher = Cipher(
        algorithms.SM4(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")),
        modes.GCM(bytes.fromhex("00001234567800000000ABCD")),
    ).encryptor()
    cipher.authenticate_additional_data(bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"))
    sealed = cipher.update(plain) + cipher.finalize()
    assert sealed.hex().upper() == (
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
    )
    assert cipher.tag.hex().upper() == "83DE3541E4C2B58177E065A9BF7B62EC"


def test_after_a_change_of_key_and_cipher_old_values_stay_readable() -> None:
    sealed = [
        ring("k1").encrypt("a"),
        ring("k1", cipher=SM4).encrypt("b"),
        ring("k2", "k1", cipher=SM4).encrypt("c"),
        ring("k2", "k1").encrypt("d"),
    ]
    heads = [value.partition(b"\0")[0] for value in sealed]
    assert heads == [b"k1", b"k1~sm4-gcm", b"k2~sm4-gcm", b"k2"]
    for now in (ring("k2", "k1"), ring("k1", "k2", cipher=SM4)):
        assert [now.decrypt(value) for value in sealed] == ["a", "b", "c", "d"]
        assert all(now.reseal(value).startswith(now.seal.head + b"\0") for value in sealed)


def test_what_version_0_1_has_sealed_opens() -> None:
    """The form before there were two ciphers: key id, 0x00, nonce, AES-256-GCM with the id."""
    nonce = os.urandom(12)
    sealed = b"k1\0" + nonce + AESGCM(base64.b64decode(K1)).encrypt(nonce, b"before", b"k1")
    assert ring("k2", "k1", cipher=SM4).decrypt(sealed) == "before"


@pytest.mark.parametrize("cipher", [AES, SM4])
def test_what_was_touched_does_not_open(cipher: str) -> None:
    one = ring("k1", "k2", cipher=cipher)
    sealed = one.encrypt(NUMBER)
    bad = [
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
        sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:],
        b"k2" + sealed[2:],
        sealed[:10],
        b"",
        b"k1~rot13\0" + sealed,
    ]
    for value in bad:
        with pytest.raises(KeyringError):
            one.decrypt(value)


def test_a_missing_key_is_named_and_nothing_of_the_value() -> None:
    with pytest.raises(KeyringError, match="no data key k1 in the ring"):
        ring("k2").decrypt(ring("k1").encrypt(NUMBER))


@pytest.mark.parametrize(
    ("keys", "cipher"),
    [
        (f"k1:{K1},k1:{K2}", AES),
        (f"k~1:{K1}", AES),
        (f":{K1}", AES),
        (f"k1:{K1[:20]}", AES),
        (f"k1:{K1}", "des"),
    ],
    ids=["same id twice", "seal in the id", "no id", "short key", "unknown cipher"],
)
def test_a_ring_that_cannot_be_is_refused(keys: str, cipher: str) -> None:
    with pytest.raises(ValueError, match=r"DATA_KEYS|DATA_CIPHER|padding|base64"):
        Keyring.parse(keys, HASH, cipher)


def test_a_seal_is_what_a_value_begins_with() -> None:
    assert Seal.read(b"k1") == Seal("k1", AES)
    assert Seal.read(b"k1~sm4-gcm") == Seal("k1", SM4)
    assert Seal("k1", AES).head == b"k1"
