"""The device authorization grant (RFC 8628): a device without a browser shows a code, its person enters it elsewhere.

flow      user codes, and what a poll is answered: rules without I/O
routes    /device_authorization for devices, /device for people
grant     the device code for tokens, at /token
store     device codes
"""

from auth_svc.device_flow.authorization import DeviceAuthorization
from auth_svc.device_flow.grant import DeviceCode
from auth_svc.device_flow.routes import DevicePages
from auth_svc.device_flow.store import forget_expired, withdraw

__all__ = ["DeviceAuthorization", "DeviceCode", "DevicePages", "forget_expired", "withdraw"]
