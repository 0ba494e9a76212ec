"""Help for tests: an issuer with real keys, real tokens, a real HTTP server and real revocations."""

from lib_two.testing.issuer import FakeIssuer

__all__ = ["FakeIssuer"]
