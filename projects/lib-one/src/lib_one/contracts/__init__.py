"""Every fact that the system can tell: one frozen class each, past tense, versioned. Importing this registers all."""

from lib_one.contracts import auth, keys, shipping

__all__ = ["auth", "keys", "shipping"]
