"""Help for tests: an issuer with real keys, real tokens, a real HTTP server and real revocations.

For a guard without a bus there is `fresh_view`.
"""

from lib_two.testing.issuer import FakeIssuer
from lib_two.testing.view import QuietFeed, fresh_view

__all__ = ["FakeIssuer", "QuietFeed", "fresh_view"]
