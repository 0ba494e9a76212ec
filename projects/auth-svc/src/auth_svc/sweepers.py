"""Every slice that keeps what expires, and its way to forget it: what housekeeping goes through."""

from typing import Final

from auth_svc import (
    backchannel_flow,
    clients,
    code_flow,
    device_flow,
    grants,
    jwt_bearer,
    proofs,
    registration,
    relying_parties,
    revocation,
    signals,
    signin,
    token,
)
from auth_svc.housekeeping import Sweeper
from lib_one import webhooks

SWEEPERS: Final[tuple[Sweeper, ...]] = (
    clients.forget_expired,
    revocation.forget_expired,
    code_flow.forget_expired,
    device_flow.forget_expired,
    backchannel_flow.forget_expired,
    grants.forget_expired,
    proofs.forget_expired,
    registration.forget_expired,
    jwt_bearer.forget_expired,
    signin.forget_expired,
    relying_parties.forget_expired,
    token.forget_expired,
    signals.forget_expired,
    webhooks.forget_expired,
)
