"""/openapi.json: what the endpoints for programs take and answer, as OpenAPI 3.1. Pages are for people and not in it.

parts       the words that descriptions are made of: forms, answers, errors
signals     shared signals, of the table
operations  the table: each endpoint, by its path under the issuer
document    the document around it, and the address that answers it
"""

from auth_svc.openapi.document import endpoint

__all__ = ["endpoint"]
