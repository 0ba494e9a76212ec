"""The master secret of auth-svc, and the one-time values that need no key."""

import hashlib
import secrets
from functools import partial

from lib_one.secret_key import KeyedHash, SecretKey, SecretKeyError
from lib_one.secret_key import load as load_of

__all__ = ["KeyedHash", "SecretKey", "SecretKeyError", "load", "new_token", "token_hash"]

load = partial(load_of, service="auth-svc")


def token_hash(token: str) -> bytes:
    """Hash of something that is itself 256 random bits (code, refresh token, device code): SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """256 random bits as base64url, 43 characters."""
    return secrets.token_urlsafe(32)
