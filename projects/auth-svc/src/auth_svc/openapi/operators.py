"""The descriptions of the operators' endpoints."""

from auth_svc import errors as e
from auth_svc.admin import UnknownIdentifier
from auth_svc.openapi.parts import LINE, PROOF, TOKEN, UNPROVEN, Json, Refusal, answer, body, refusals
from auth_svc.webhooks import InvalidWebhook, UnknownWebhook

_WHICH: Json = {"name": "id", "in": "query", "required": True, "schema": LINE}
_STATE: Json = {"enum": ["waiting", "delivered", "failed"]}
_PAGE: list[Json] = [
    {"name": name, "in": "query", "schema": schema}
    for name, schema in {
        "state": _STATE,
        "delivery_id": LINE,
        "before": LINE,
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    }.items()
]


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
                UnknownIdentifier,
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


def webhooks() -> dict[str, Json]:
    """/admin/webhooks and what is below, by path and method."""
    one = {"$ref": "#/components/schemas/Webhook"}
    shown = {"anyOf": [one, {"$ref": "#/components/schemas/Webhooks"}]}
    return {
        "/admin/webhooks": {
            "post": _asked("createWebhook", "Make a webhook; its secret is shown this once", wanted="WebhookWanted")
            | _told("201", "The webhook.", "WebhookWithSecret"),
            "get": _asked("showWebhooks", "The webhook with this `id`, or all of them", _WHICH | {"required": False})
            | _told("200", "It, or all.", shown, UnknownWebhook),
            "patch": _asked("changeWebhook", "Change what is named, enable or disable", _WHICH, wanted="WebhookChange")
            | _told("200", "The webhook.", "Webhook", UnknownWebhook),
            "delete": _asked("removeWebhook", "Forget a webhook and what waits for it", _WHICH)
            | _told("204", "It is gone.", None, UnknownWebhook),
        },
        "/admin/webhooks/secret": {
            "post": _asked("rotateWebhookSecret", "Give it another secret", _WHICH, wanted="SecretWanted")
            | _told("200", "The webhook, with the secret.", "WebhookWithSecret", UnknownWebhook),
        },
        "/admin/webhooks/test": {
            "post": _asked("testWebhook", "Send a message that says nothing but that messages arrive", _WHICH)
            | _told("202", "It is on its way.", "Tested", UnknownWebhook),
        },
        "/admin/webhooks/deliveries": {
            "get": _asked("showWebhookLog", "What was sent to it, with each attempt, newest first", _WHICH, *_PAGE)
            | _told("200", "A part of the log.", "DeliveryPage", UnknownWebhook),
            "post": _asked("redeliver", "Send once more, under the same ids", _WHICH, wanted="RedeliveryWanted")
            | _told("202", "How many are on their way.", "Redelivered", UnknownWebhook),
        },
    }


def _asked(name: str, summary: str, *parameters: Json, wanted: str | None = None) -> Json:
    described: Json = {
        "operationId": name,
        "tags": ["operation"],
        "summary": summary,
        "security": TOKEN,
        "parameters": [PROOF, *parameters],
    }
    return described if wanted is None else described | {"requestBody": body(wanted)}


def _told(status: str, said: str, schema: Json | str | None, *more: Refusal) -> Json:
    if isinstance(schema, str):
        schema = {"$ref": f"#/components/schemas/{schema}"}
    always = (
        e.InvalidRequest,
        InvalidWebhook,
        *UNPROVEN,
        e.InsufficientScope,
        e.BodyTooLarge,
        e.TemporarilyUnavailable,
    )
    responses = {status: answer(said, schema, proven=True), **refusals(*always, *more, proven=True, bare=True)}
    return {"responses": responses}
