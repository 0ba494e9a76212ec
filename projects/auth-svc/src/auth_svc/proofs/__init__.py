"""Proofs of possession: who asks for a bound token, or shows one, has the key that it is bound to (RFC 9449, RFC 8705).

flow         what a DPoP proof must say: rules without I/O
nonces       values that a fresh proof must repeat; nothing of them is kept
possession   the key behind a request, for the endpoints
store        proofs that were shown: each is good once
"""

from auth_svc.proofs.flow import PROOF_ALGORITHMS
from auth_svc.proofs.possession import NoncePolicy, Possession, Shown
from auth_svc.proofs.store import forget_expired

__all__ = ["PROOF_ALGORITHMS", "NoncePolicy", "Possession", "Shown", "forget_expired"]
