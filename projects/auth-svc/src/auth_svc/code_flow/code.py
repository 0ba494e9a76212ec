"""The authorization code, and the verifier that must come with it. Pure."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from auth_svc.grants import Terms

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Code:
    """An authorization code as it is kept: everything that its tokens will say, and its conditions."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    user_id: str
    session_id: str
    grant_id: str
    auth_time: datetime
    amr: tuple[str, ...]
    scope: tuple[str, ...]
    nonce: str | None
    resource: tuple[str, ...]
    terms: Terms
    expires_at: datetime
    used: bool = False


def verifier_fits(verifier: str, challenge: str) -> bool:
    """RFC 7636 section 4.6 with S256; the format of section 4.1 is checked, so a short verifier never fits."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())
