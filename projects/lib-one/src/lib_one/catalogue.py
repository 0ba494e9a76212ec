"""What the system tells, for readers and their tools: the address of each fact, its JSON Schema, and AsyncAPI 3.0.

    document = asyncapi(contracts().values(), title="Events", version="1.0.0", examples={})

Everything follows from the contracts and the topology; nothing here is needed to run.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, get_args

import msgspec

from lib_one.bus import Subscription
from lib_one.event import TYPE_PREFIX, Contract
from lib_one.nats.topology import SUBSCRIPTIONS, TOPOLOGY, Stream

type Example = Mapping[str, Mapping[str, Any]]
"""One message: `headers` and `data`."""

_COMPONENTS = "#/components/schemas/{name}"
_ID = {"type": "string", "format": "uuid"}
ENVELOPE: dict[str, dict[str, Any]] = {
    "Nats-Msg-Id": {**_ID, "description": "The event's id: the server drops a copy that comes within two minutes."},
    "ce-specversion": {"const": "1.0"},
    "ce-id": {**_ID, "description": "UUIDv7. The same event may be delivered again under the same id."},
    "ce-source": {"type": "string", "format": "uri-reference", "description": "Who says so, such as `/auth-svc`."},
    "ce-time": {"type": "string", "format": "date-time"},
    "ce-subject": {"type": "string", "description": "What the fact is about; its facts come in order."},
    "ce-datacontenttype": {"const": "application/json"},
    "traceparent": {"type": "string", "description": "W3C trace context of the cause, where there is one."},
}
"""The headers that every event has beside its type and schema (CloudEvents 1.0), as JSON Schema."""
_OPTIONAL = {"traceparent"}


def name_of(contract: type[Contract]) -> str:
    """The short name with the version, such as `token.revoked.v1`."""
    return contract.TYPE.removeprefix(TYPE_PREFIX)


def summary_of(cls: type[Any]) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def field_docstrings(cls: type[Any]) -> dict[str, str]:
    """The docstring under each field, of the class and what it stands on."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for statement, following in itertools.pairwise(body):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
            ):
                found[statement.target.id] = " ".join(str(following.value.value).split())
    return found


def address(contract: type[Contract]) -> str:
    """The pattern of its NATS subject, such as `auth.rev.token.{token_id}`.

    It is read off an instance whose fields say their own names.
    """
    names = {field.name for field in msgspec.structs.fields(contract)}
    subject = contract(**{name: name for name in names}).subject()
    first, *rest = subject.split(".")
    return ".".join([first, *(f"{{{token}}}" if token in names else token for token in rest)])


def stream_of(contract: type[Contract]) -> Stream:
    """The stream that stores it.

    Raises:
        LookupError: none does.
    """
    subject = address(contract)
    for stream in TOPOLOGY:
        if any(_fits(subject, pattern) for pattern in stream.subjects):
            return stream
    raise LookupError(f"{name_of(contract)}: no stream of lib_one.nats.topology takes {subject}")


def readers_of(contract: type[Contract]) -> list[Subscription]:
    """The durable consumers that hear it."""
    stream, subject = stream_of(contract).name, address(contract)
    return [
        reader
        for reader in SUBSCRIPTIONS
        if reader.stream == stream and any(_fits(subject, pattern) for pattern in reader.subjects)
    ]


def schema(contract: type[Contract]) -> dict[str, Any]:
    """Its data as JSON Schema 2020-12. `$id` is what the event's `ce-dataschema` says."""
    found = msgspec.json.schema(contract)
    kinds = found["$defs"]
    own = kinds.pop(contract.__name__)
    _describe(own, contract)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": contract.SCHEMA,
        **own,
    }
    return document | ({"$defs": kinds} if kinds else {})


def asyncapi(
    facts: Iterable[type[Contract]], *, title: str, version: str, examples: Mapping[str, Example]
) -> dict[str, Any]:
    """An AsyncAPI 3.0 document: where each fact is told, by whom, who hears it, and its shape.

    Args:
        facts: The contracts.
        title: Of the document.
        version: Of the document.
        examples: By a contract's short name, one message.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for contract in facts:
        name, stream, subject = name_of(contract), stream_of(contract), address(contract)
        messages[name] = _message(contract, examples.get(name))
        schemas |= _schemas(contract)
        key = name.rpartition(".v")[0]
        _add_channel(channels, key, subject, name, summary=f"In the stream {stream.name}.", contract=contract)
        for owner in stream.owners:
            _add_operation(operations, "send", key, name, who=owner, summary=summary_of(contract))
        for reader in readers_of(contract):
            service, _, purpose = reader.durable.partition("__")
            who = service.replace("_", "-")
            _add_operation(operations, "receive", key, name, who=who, summary=f"For its {purpose.replace('_', ' ')}.")
        if stream.live is not None:
            live = f"{stream.live.removesuffix('>')}{subject.removeprefix(stream.subjects[0].removesuffix('>'))}"
            copy = f"{key}.live"
            _add_channel(
                channels, copy, live, name, summary="At once, to whoever listens, when it is stored.", contract=contract
            )
            _add_operation(operations, "receive", copy, name, who="guard", summary="The guard of each resource server.")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": "CloudEvents 1.0 in the binary mode over NATS: attributes in headers, data as JSON.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "bus": {
                "host": "127.0.0.1:8402",
                "protocol": "nats",
                "description": "NATS with JetStream, as one machine runs it.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(contract: type[Contract], example: Example | None) -> dict[str, Any]:
    constants = {"ce-type": {"const": contract.TYPE}, "ce-dataschema": {"const": contract.SCHEMA}}
    headers = {**ENVELOPE, **constants}
    message: dict[str, Any] = {
        "name": contract.TYPE,
        "title": contract.__name__,
        "summary": summary_of(contract),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": headers,
            "required": [header for header in headers if header not in _OPTIONAL],
        },
        "payload": {"$ref": _COMPONENTS.format(name=contract.__name__)},
    }
    if example is not None:
        message["examples"] = [{"headers": dict(example["headers"]), "payload": dict(example["data"])}]
    return message


def _schemas(contract: type[Contract]) -> dict[str, Any]:
    _, kinds = msgspec.json.schema_components([contract], ref_template=_COMPONENTS)
    _describe(kinds[contract.__name__], contract)
    return kinds


def _describe(schema: dict[str, Any], contract: type[Contract]) -> None:
    words = field_docstrings(contract)
    schema["description"] = summary_of(contract)
    for field in msgspec.structs.fields(contract):
        kind = schema["properties"][field.name]
        if field.name in words:
            kind["description"] = words[field.name]
        if field.type is datetime:
            kind["format"] = "date-time"
        elif datetime in get_args(field.type):
            next(one for one in kind["anyOf"] if one["type"] == "string")["format"] = "date-time"


def _add_channel(
    channels: dict[str, Any], key: str, subject: str, message: str, *, summary: str, contract: type[Contract]
) -> None:
    channel = channels.setdefault(key, {"address": subject, "summary": summary, "messages": {}})
    words = field_docstrings(contract)
    parameters = [token[1:-1] for token in subject.split(".") if token.startswith("{")]
    if parameters:
        channel["parameters"] = {name: {"description": words[name]} if name in words else {} for name in parameters}
    channel["messages"][message] = {"$ref": f"#/components/messages/{message}"}


def _add_operation(
    operations: dict[str, Any], action: str, channel: str, message: str, *, who: str, summary: str
) -> None:
    operation = operations.setdefault(
        f"{who}.{action}.{channel}",
        {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": summary,
            "tags": [{"name": who}],
            "messages": [],
        },
    )
    operation["messages"].append({"$ref": f"#/channels/{channel}/messages/{message}"})


def _fits(subject: str, pattern: str) -> bool:
    """Whether every subject of this address matches the pattern of a stream or reader."""
    tokens, wanted = subject.split("."), pattern.split(".")
    for token, word in zip(tokens, wanted, strict=False):
        if word == ">":
            return True
        if word not in ("*", token):
            return False
    return len(tokens) == len(wanted)
