"""Backchannel authentication (OpenID Connect CIBA Core 1.0): a client names a person, who decides on a page of ours.

flow            what waits, and what may be asked: rules without I/O
authentication  /backchannel_authentication for clients
routes          /requests for people
notification    ping and push: what a client is told that does not just poll
grant           the request's secret for tokens, at /token
store           the requests
"""

from auth_svc.backchannel_flow.authentication import BackchannelAuthentication, UnknownUserId
from auth_svc.backchannel_flow.flow import InvalidBindingMessage
from auth_svc.backchannel_flow.grant import Backchannel
from auth_svc.backchannel_flow.notification import BACKCHANNEL_NOTIFICATION, BackchannelNotification, Notifications
from auth_svc.backchannel_flow.routes import RequestPages
from auth_svc.backchannel_flow.store import forget_expired, withdraw

__all__ = [
    "BACKCHANNEL_NOTIFICATION",
    "Backchannel",
    "BackchannelAuthentication",
    "BackchannelNotification",
    "InvalidBindingMessage",
    "Notifications",
    "RequestPages",
    "UnknownUserId",
    "forget_expired",
    "withdraw",
]
