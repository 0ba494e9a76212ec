"""Every fact that the system can tell: one frozen class each, past tense, versioned. Importing this registers all."""

from lib_one.contracts import auth, keys, revocation, shipping, signals, webhooks

__all__ = ["auth", "keys", "revocation", "shipping", "signals", "webhooks"]
