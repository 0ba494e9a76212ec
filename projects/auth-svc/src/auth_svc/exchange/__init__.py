"""Token exchange (RFC 8693): a service that was given a token gets one with less, and says for whom it acts.

flow      who may act for whom, and what is left of the token: rules without I/O
grant     the token for another one, at /token
"""

from auth_svc.exchange.grant import TokenExchange

__all__ = ["TokenExchange"]
