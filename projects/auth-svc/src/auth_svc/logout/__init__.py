"""Signing out: by the person, by an application that the person uses, and by a program for a person in danger.

flow        what an application may ask for, and where the browser goes afterwards: rules without I/O
routes      /signout (the person, and what the person sees afterwards), /logout (RP-Initiated Logout 1.0)
everywhere  /global-token-revocation (all of a person, by one call)
"""

from auth_svc.logout.everywhere import AmbiguousSubject, EverythingOf, GlobalTokenRevocation, UnknownSubject
from auth_svc.logout.routes import LogoutPages

__all__ = ["AmbiguousSubject", "EverythingOf", "GlobalTokenRevocation", "LogoutPages", "UnknownSubject"]
