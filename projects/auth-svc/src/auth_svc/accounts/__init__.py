"""Accounts that people make for themselves.

    routes    /register, where the operator has opened it (`AUTH_SVC_SELF_REGISTRATION`)

What an account is, and the verbs of operators, are in `users`.
"""

from auth_svc.accounts.routes import RegisterPages

__all__ = ["RegisterPages"]
