"""Seeds of nkeys: the secrets that users, the door's issuer and its curve key are made of, and their public halves.

The library `nkeys` knows no curve keys; they are written here as nats-server writes them (its ADR-26).
"""

import base64
import secrets

import nkeys  # type: ignore[import-untyped]
from nacl.public import Box, PrivateKey, PublicKey

_SEED = nkeys.PREFIX_BYTE_SEED
_CURVE = 23 << 3
"""Makes a public curve key begin with `X`, and its seed with `SX`."""
_SEALED = b"xkv1"


def new_user_seed() -> str:
    """For somebody who connects: begins with `SU`."""
    return bytes(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)).decode()


def new_account_seed() -> str:
    """For the issuer, whose signature admits: begins with `SA`."""
    return bytes(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)).decode()


def new_curve_seed() -> str:
    """For sealing what bus and issuer tell each other: begins with `SX`."""
    return _encode(bytes([_SEED | _CURVE >> 5, (_CURVE & 31) << 3]) + secrets.token_bytes(32))


def public_key(seed: str) -> str:
    """The public half of any of these seeds.

    Raises:
        ValueError: it is no seed.
    """
    if seed.startswith("SX"):
        return CurveKey(seed).public
    try:
        return bytes(nkeys.from_seed(bytearray(seed.encode())).public_key).decode()
    except Exception:
        raise ValueError("this is not the seed of an nkey") from None


def server_key(text: str) -> bytes:
    """The 32 bytes of a nats-server's public key (it begins with `N`), by which its signatures are verified.

    Raises:
        ValueError: it is none.
    """
    return _decode(text, nkeys.PREFIX_BYTE_SERVER)


class CurveKey:
    """An X25519 key that seals messages for one reader, and opens those that it is the reader of."""

    def __init__(self, seed: str) -> None:
        """Read a seed.

        Raises:
            ValueError: it is none.
        """
        raw = _unchecked(seed)
        if raw[0] & 248 != _SEED or (raw[0] & 7) << 5 | raw[1] >> 3 != _CURVE:
            raise ValueError("this is not the seed of a curve key: it begins with SX")
        self._private = PrivateKey(raw[2:])
        self.public = _encode(bytes([_CURVE]) + bytes(self._private.public_key))
        """The public half, beginning with `X`."""

    def seal(self, message: bytes, reader: str) -> bytes:
        """Encrypt for the owner of the public curve key `reader`, who sees that it comes from here.

        Raises:
            ValueError: `reader` is no curve key.
        """
        return _SEALED + bytes(self._box(reader).encrypt(message))

    def open(self, message: bytes, writer: str) -> bytes:
        """Decrypt what the owner of the public curve key `writer` sealed.

        Raises:
            ValueError: it was not.
        """
        if not message.startswith(_SEALED):
            raise ValueError("not sealed")
        try:
            return self._box(writer).decrypt(message[len(_SEALED) :])
        except Exception as error:  # PyNaCl's own errors, and TypeErrors for what is too short
            raise ValueError("sealed by another key") from error

    def _box(self, other: str) -> Box:
        return Box(self._private, PublicKey(_decode(other, _CURVE)))


def _encode(body: bytes) -> str:
    return base64.b32encode(body + bytes(nkeys.crc16_checksum(bytearray(body)))).rstrip(b"=").decode()


def _decode(text: str, prefix: int) -> bytes:
    raw = _unchecked(text)
    if raw[0] != prefix or len(raw) != 33:
        raise ValueError("a key of another kind")
    return raw[1:]


def _unchecked(text: str) -> bytes:
    """The bytes of a key without its checksum, which only catches slips of the pen: a wrong key fails anyway."""
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    if len(raw) < 35:
        raise ValueError("too short for a key")
    return raw[:-2]
