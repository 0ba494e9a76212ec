"""Relying parties: which clients know of a sign-in, and telling them that it is over.

store         who knows of which sign-in
parties       the verbs: a client learns of a sign-in, a sign-in ends
backchannel   the logout token, and where it is sent (Back-Channel Logout 1.0)
frontchannel  the page of a client that a browser loads (Front-Channel Logout 1.0)
"""

from auth_svc.relying_parties.backchannel import BACKCHANNEL_LOGOUT, BackChannelLogout
from auth_svc.relying_parties.frontchannel import Frame
from auth_svc.relying_parties.parties import RelyingParties
from auth_svc.relying_parties.store import forget_expired

__all__ = ["BACKCHANNEL_LOGOUT", "BackChannelLogout", "Frame", "RelyingParties", "forget_expired"]
