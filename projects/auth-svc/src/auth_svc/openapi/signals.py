"""The endpoints of shared signals (SSF 1.0), by their path under the issuer."""

from auth_svc import errors as e
from auth_svc.openapi.parts import (
    LINE,
    PROOF,
    TEXT,
    TOKEN,
    UNPROVEN,
    URI,
    Json,
    Refusal,
    answer,
    body,
    record,
    refusals,
)
from auth_svc.signals import StreamExists, StreamStopped, UnknownStream

_WHICH: Json = {"name": "stream_id", "in": "query", "required": True, "schema": LINE}
_ANY: Json = _WHICH | {"required": False}
_STREAM: Json = {"$ref": "#/components/schemas/Stream"}
_STATUS = record(stream_id=TEXT, status={"enum": ["enabled", "paused", "disabled"]}, required="stream_id status")


def signal_operations() -> dict[str, Json]:
    """Return the description of each path, by method."""
    listed: Json = {"anyOf": [_STREAM, {"type": "array", "items": _STREAM, "maxItems": 1}]}
    return {
        "/ssf/streams": {
            "post": _managed("createStream", "Make a stream (SSF 1.0, section 8.1.1.1)", "StreamWanted")
            | {"responses": _answers("201", "The stream.", _STREAM, StreamExists)},
            "get": _described("readStream", "Read the stream, or the list of it (section 8.1.1.2)", _ANY)
            | {"responses": _answers("200", "It, or the list.", listed, UnknownStream)},
            "patch": _managed("changeStream", "Change what is named (section 8.1.1.3)", "StreamWanted")
            | {"responses": _answers("200", "The stream.", _STREAM, UnknownStream)},
            "put": _managed("replaceStream", "Replace all that can be chosen (section 8.1.1.4)", "StreamWanted")
            | {"responses": _answers("200", "The stream.", _STREAM, UnknownStream)},
            "delete": _described("deleteStream", "End the stream (section 8.1.1.5)", _WHICH)
            | {"responses": _answers("204", "It is over.", None, UnknownStream)},
        },
        "/ssf/status": {
            "get": _described("readStreamStatus", "Does the stream run? (section 8.1.2.1)", _WHICH)
            | {"responses": _answers("200", "Its status.", _STATUS, UnknownStream)},
            "post": _managed("changeStreamStatus", "Start or stop the stream (section 8.1.2.2)", "StatusWanted")
            | {"responses": _answers("200", "Its status.", _STATUS, UnknownStream, StreamStopped)},
        },
        "/ssf/subjects:add": {
            "post": _managed("addSubject", "Tell about this person again (section 8.1.3.2)", "SubjectWanted")
            | {"responses": _answers("200", "So be it.", None, UnknownStream)},
        },
        "/ssf/subjects:remove": {
            "post": _managed("removeSubject", "Do not tell about this person (section 8.1.3.3)", "SubjectWanted")
            | {"responses": _answers("204", "So be it.", None, UnknownStream)},
        },
        "/ssf/verify": {
            "post": _managed("verifyStream", "Send a verification (section 8.1.4.2)", "VerificationWanted")
            | {"responses": _answers("204", "It is on its way.", None, UnknownStream, e.TooManyRequests)},
        },
        "/ssf/poll": {
            "post": _managed("pollSignals", "Take signals, and say which were taken (RFC 8936)", "Poll")
            | {
                "responses": _answers(
                    "200",
                    "What waits: tokens by their `jti`.",
                    record(
                        sets={"type": "object", "additionalProperties": TEXT},
                        moreAvailable={"type": "boolean"},
                    ),
                    UnknownStream,
                )
            },
        },
        "/ssf/receive": {"post": _receive()},
    }


def transmitter_configuration() -> Json:
    """Stands at the root, whatever path the issuer has."""
    known = record(issuer=URI, jwks_uri=URI, configuration_endpoint=URI, spec_version=TEXT)
    return {
        "operationId": "getTransmitterConfiguration",
        "tags": ["signals"],
        "summary": "What receivers of shared signals must know (SSF 1.0, section 7.1)",
        "responses": {"200": answer("The configuration.", known, kept=True)},
    }


def _described(name: str, summary: str, *parameters: Json) -> Json:
    return {
        "operationId": name,
        "tags": ["signals"],
        "summary": summary,
        "security": TOKEN,
        "parameters": [PROOF, *parameters],
    }


def _managed(name: str, summary: str, content: str) -> Json:
    return _described(name, summary) | {"requestBody": body(content)}


def _answers(status: str, said: str, schema: Json | None, *more: Refusal) -> Json:
    always = (e.InvalidRequest, *UNPROVEN, e.InsufficientScope, e.BodyTooLarge, e.TemporarilyUnavailable)
    return {status: answer(said, schema, proven=True), **refusals(*always, *more, proven=True, bare=True)}


def _receive() -> Json:
    refused = answer(
        "The token is not taken (RFC 8935, section 2.4).",
        record(
            err={"enum": ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"]}, description=TEXT
        ),
    )
    return {
        "operationId": "receiveSignal",
        "tags": ["signals"],
        "summary": "Take a signal of an issuer that is listened to (RFC 8935)",
        "requestBody": {"required": True, "content": {"application/secevent+jwt": {"schema": TEXT}}},
        "responses": {
            "202": answer("It is taken."),
            "400": refused,
            **refusals(e.BodyTooLarge, e.TemporarilyUnavailable),
        },
    }
