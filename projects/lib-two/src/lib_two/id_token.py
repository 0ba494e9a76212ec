"""ID tokens, validated by the client that receives them (OpenID Connect Core 1.0 section 3.1.3.7).

The claims are Authlib's, the signature is joserfc's.
"""

from typing import Any

from authlib.oidc.core.claims import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from lib_two.algorithms import REGISTRY
from lib_two.errors import OAuthError
from lib_two.metadata import IssuerMetadata

LEEWAY = 5
"""Seconds that the issuer's clock may differ from ours."""


async def validate(
    id_token: str, *, metadata: IssuerMetadata, client_id: str, access_token: str, nonce: str | None
) -> dict[str, Any]:
    """The claims of an ID token that was issued to `client_id` along with `access_token`.

    Checks signature, algorithm, `iss`, `aud`, `azp`, `exp`, `iat`, `at_hash` (when there) and `nonce` (when one was
    sent).

    Raises:
        OAuthError: any of it does not hold. Nothing that came with it is to be used.
        IssuerUnavailable: the issuer's key cannot be had.
    """
    try:
        key_id = _key_id(id_token)
        key = await metadata.key(key_id)
        if key is None:
            raise ValueError("the issuer has no such key")
        token = jwt.decode(id_token, key, registry=REGISTRY)
        # Authlib knows the hash of EdDSA, but not yet the newer name of the same algorithm (RFC 9864).
        header = {**token.header, "alg": token.header["alg"].replace("Ed25519", "EdDSA")}
        claims = CodeIDToken(
            token.claims,
            header,
            options={
                "iss": {"essential": True, "value": metadata.issuer},
                "aud": {"essential": True, "value": client_id},
            },
            params={"client_id": client_id, "access_token": access_token, "nonce": nonce},
        )
        claims.validate(now=int(metadata.now().timestamp()), leeway=LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
        raise OAuthError("invalid_token", f"The issuer's ID token is not valid ({error})") from error
    return dict(token.claims)


def _key_id(id_token: str) -> str:
    key_id = extract_compact(id_token.encode(), registry=REGISTRY).headers().get("kid")
    if not isinstance(key_id, str):
        raise ValueError("it has no kid")
    return key_id
