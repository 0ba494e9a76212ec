"""The descriptions of the operators' endpoints."""

from auth_svc import errors as e
from auth_svc.openapi.parts import PROOF, TOKEN, UNPROVEN, Json, answer, body, refusals


def revocations() -> Json:
    """POST /admin/revocations."""
    return {
        "operationId": "revokeByOperator",
        "tags": ["operation"],
        "summary": "End what was issued, and see which services refuse it",
        "security": TOKEN,
        "parameters": [PROOF],
        "requestBody": body("Revocable"),
        "responses": {
            "200": answer("It is over.", {"$ref": "#/components/schemas/RevocationReport"}, proven=True),
            **refusals(
                e.InvalidRequest,
                *UNPROVEN,
                e.InsufficientScope,
                e.UnknownIdentifier,
                e.BodyTooLarge,
                e.TemporarilyUnavailable,
                proven=True,
                bare=True,
            ),
        },
    }


def status() -> Json:
    """GET /admin/status."""
    return {
        "operationId": "showStatus",
        "tags": ["operation"],
        "summary": "How every process stands that is on the bus",
        "security": TOKEN,
        "parameters": [PROOF],
        "responses": {
            "200": answer("What they say.", {"$ref": "#/components/schemas/SystemStatus"}, proven=True),
            **refusals(
                e.InvalidRequest, *UNPROVEN, e.InsufficientScope, e.TemporarilyUnavailable, proven=True, bare=True
            ),
        },
    }
