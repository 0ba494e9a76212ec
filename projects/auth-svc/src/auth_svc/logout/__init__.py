"""Signing out: by the person, and by an application that the person uses.

flow      what an application may ask for, and where the browser goes afterwards: rules without I/O
routes    /signout (the person, and what the person sees afterwards), /logout (RP-Initiated Logout 1.0)
"""

from auth_svc.logout.routes import LogoutPages

__all__ = ["LogoutPages"]
