"""Users: the people who sign in, what they may grant, and how their passwords are checked."""

from auth_svc.users.accounts import AccountError, Accounts, Profile, hash_password
from auth_svc.users.claims import CLAIMS, claims_about, claims_of_scopes, scopes_of_claims
from auth_svc.users.passwords import Passwords
from auth_svc.users.store import (
    User,
    end_sign_ins,
    everyone,
    find,
    find_by_username,
    ids_by_email,
    is_closed,
    password_of,
)

__all__ = [
    "CLAIMS",
    "AccountError",
    "Accounts",
    "Passwords",
    "Profile",
    "User",
    "claims_about",
    "claims_of_scopes",
    "end_sign_ins",
    "everyone",
    "find",
    "find_by_username",
    "hash_password",
    "ids_by_email",
    "is_closed",
    "password_of",
    "scopes_of_claims",
]
