"""The signature algorithms that are taken from an issuer. All are asymmetric: `none` and HMAC cannot come up."""

from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
"""Allowed values of `alg` (RFC 8725 section 3.1). EdDSA and Ed25519 are two names of one algorithm (RFC 9864)."""


class _Registry(JWSRegistry):
    """joserfc's registry, without its warning that the name EdDSA is deprecated: issuers still use it."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"Algorithm of {name!r} is not allowed")
        return self.algorithms[name]


def _registry() -> JWSRegistry:
    # Headers that are not known are to be ignored (RFC 7515 section 4); critical ones are not, joserfc sees to that.
    registry = _Registry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = 2_048
    return registry


REGISTRY = _registry()
"""For joserfc's `registry` argument."""
