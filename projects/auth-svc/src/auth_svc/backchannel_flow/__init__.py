"""Backchannel authentication (OpenID Connect CIBA Core 1.0): a client names a person, who decides on a page of ours.

flow            what waits, and what may be asked: rules without I/O
authentication  /backchannel_authentication for clients
routes          /requests for people
grant           the request's secret for tokens, at /token
store           the requests
"""

from auth_svc.backchannel_flow.authentication import BackchannelAuthentication
from auth_svc.backchannel_flow.grant import Backchannel
from auth_svc.backchannel_flow.routes import RequestPages
from auth_svc.backchannel_flow.store import forget_expired, withdraw

__all__ = ["Backchannel", "BackchannelAuthentication", "RequestPages", "forget_expired", "withdraw"]
