"""Write the pages that follow from code, or their parts: `uv run docs/generate.py`. A test compares them."""

import dataclasses
import inspect
import itertools
import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import typer.main

import app_svc.__main__
import app_svc.app  # with its metrics
import app_svc.errors
import app_svc.settings
import auth_svc.__main__
import auth_svc.app  # every slice, with the errors of its own
import auth_svc.bus_admission
import auth_svc.code_flow.flow
import auth_svc.errors
import auth_svc.settings
import auth_svc.token.endpoint
import cli_proj.app
import cli_proj.errors
import cli_proj.settings
import cli_proj.translation
import gui_proj.settings
import lib_one.contracts
import lib_one.nats.rights
import lib_one.nats.topology
import lib_two.errors
from lib_one import catalogue
from lib_one.event import Contract
from lib_one.event import contracts as registered
from lib_one.nats.configuration import shipped
from lib_one.observe import defined

DOCS = Path(__file__).resolve().parent
FIXTURES = DOCS.parent / "projects" / "lib-one" / "tests" / "fixtures" / "contracts"


def events() -> str:
    """The catalogue of contracts."""
    lines = [
        "# Events",
        "",
        "Every fact that the system tells: a CloudEvents 1.0 message on NATS, attributes in headers (`ce-id`, …), data",
        "as JSON. The contracts are frozen classes in `lib_one.contracts`. Additive changes keep the version, others",
        "make a new type. Readers ignore fields that they do not know, and skip types that they do not know. What is",
        "no contract cannot be told: `UnregisteredEventError`.",
        "",
        "No event carries a secret, a token, a password or an e-mail address.",
        "",
        "For tools: [AsyncAPI 3.0](asyncapi.json), and a JSON Schema of each fact, whose `$id` its header",
        "`ce-dataschema` has.",
        "",
        "| fact | stream | who tells | who hears |",
        "| --- | --- | --- | --- |",
    ]
    for contract in _facts():
        tells = ", ".join(catalogue.stream_of(contract).owners)
        anchor = f"[`{catalogue.name_of(contract)}`](#{contract.__name__.lower()})"
        lines.append(f"| {anchor} | {catalogue.stream_of(contract).name} | {tells} | {_hearers(contract)} |")
    lines.append("")
    for contract in _facts():
        name = catalogue.name_of(contract)
        lines += [f"## {contract.__name__}", "", catalogue.summary_of(contract), ""]
        number = name.rpartition(".v")[2]
        lines += [f"Type `{contract.TYPE}`, version {number}, [JSON Schema](schemas/{name}.json).", ""]
        subject = re.sub(r"{(\w+)}", r"<\1>", catalogue.address(contract))
        lines += [f"Subject `{subject}`, in the stream {catalogue.stream_of(contract).name}.", ""]
        lines += ["| field | type | |", "| --- | --- | --- |"]
        documented = catalogue.field_docstrings(contract)
        for field in msgspec.structs.fields(contract):
            words = documented.get(field.name, "")
            optional = "" if field.required else "optional. "
            lines.append(f"| `{field.name}` | {_type_name(field.type)} | {optional}{words} |".replace(" |  |", " | |"))
        example = json.dumps(_examples()[name]["data"], indent=2, ensure_ascii=False)
        lines += ["", "```json", *example.splitlines(), "```", ""]
    return "\n".join(lines)


def _facts() -> list[type[Contract]]:
    """The contracts of the house; somebody else's may be in the same process."""
    return [fact for fact in registered().values() if fact.__module__.startswith("lib_one.contracts.")]


def _hearers(contract: type[Contract]) -> str:
    services = [f"{reader.durable.partition('__')[0].replace('_', '-')}" for reader in catalogue.readers_of(contract)]
    if catalogue.stream_of(contract).live is not None:
        services.append("each guard, live")
    return ", ".join(services) or "whoever reads the stream"


def _examples() -> dict[str, catalogue.Example]:
    """By a contract's name, the message that must be readable for ever."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))}


def asyncapi() -> str:
    """The AsyncAPI document."""
    document = catalogue.asyncapi(
        _facts(), title="Events of event-based-svcs", version=version("lib-one"), examples=_examples()
    )
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schema(contract: type[Contract]) -> str:
    return json.dumps(catalogue.schema(contract), indent=2, ensure_ascii=False) + "\n"


def metrics() -> str:
    """Every metric of both services."""
    lines = [
        "# Metrics",
        "",
        "What `GET /metrics` of both services tells [Prometheus](../how-to/observe.md). Durations are in seconds.",
        "What cannot be read at the moment, because the database or the bus is away, is left out. Beside these are",
        "`process_…`: memory, CPU time, open files, start.",
        "",
    ]
    services = {"auth_svc": "auth-svc", "app_svc": "app-svc", "lib_two": "app-svc", "lib_one": "both services"}
    for title in ("both services", "auth-svc", "app-svc"):
        lines += [f"## Of {title}", "", "| metric | kind | labels | |", "| --- | --- | --- | --- |"]
        for one in sorted(defined(), key=lambda one: one.name):
            if services.get(one.module.partition(".")[0]) == title:
                labels = ", ".join(f"`{label}`" for label in one.labels)
                lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.words} |".replace("|  |", "| |"))
        lines.append("")
    return "\n".join(lines)


def _type_name(annotation: Any) -> str:
    name = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    for long, short in (("datetime.datetime", "time"), ("datetime", "time"), ("lib_one.contracts.shipping.", "")):
        name = name.replace(long, short)
    return "`" + name.replace("|", "or") + "`"


def topology() -> str:
    """The streams and consumers, and who may do what on the bus."""
    lines = [
        "# Topology",
        "",
        "The streams and durable consumers on the bus, from the table in `lib_one.nats.topology`. Each service makes",
        "its own at start; `auth-svc topology show` and `app-svc topology show` say how the server differs from this",
        "page, and `apply` [changes it](../how-to/run-in-production.md#three-nodes).",
        "",
        "## Streams",
        "",
        "| stream | made by | subjects | keeps | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for stream in lib_one.nats.topology.TOPOLOGY:
        subjects = ", ".join(f"`{subject}`" for subject in stream.subjects)
        notes = ["one message a subject, the newest"] if stream.latest_only else []
        notes += [f"told at once as `{stream.live}`"] if stream.live else []
        cells = (stream.name, ", ".join(stream.owners), subjects, str(stream.max_age).removesuffix(", 0:00:00"))
        lines.append(f"| {' | '.join(cells)} | {'; '.join(notes)} |".replace(" |  |", " | |"))
    lines += [
        "",
        "Every stream is on disk, on as many nodes as the setting `nats_replicas` says.",
        "",
        "## Consumers",
        "",
        "| consumer | stream | reads |",
        "| --- | --- | --- |",
    ]
    for consumer in lib_one.nats.topology.SUBSCRIPTIONS:
        subjects = ", ".join(f"`{subject}`" for subject in consumer.subjects)
        lines.append(f"| `{consumer.durable}` | {consumer.stream} | {subjects} |")
    lines += [
        "",
        "## Users",
        "",
        "Each has an nkey of its own.",
        "",
        "| user | publishes | hears |",
        "| --- | --- | --- |",
    ]
    for user in (*lib_one.nats.rights.USERS, lib_one.nats.rights.DOORKEEPER):
        says, hears = (" ".join(f"`{subject}`" for subject in list_) for list_ in (user.publish, user.subscribe))
        lines.append(f"| {user.name} | {says} | {hears} |")
    return "\n".join([*lines, ""])


def settings() -> str:
    """Every variable of every program."""
    lines = [
        "# Settings",
        "",
        "Each program reads its own variables, once, at start. A variable with the program's prefix that is no setting",
        "refuses to start, by name: a misspelt setting must not pass silently. Durations are ISO 8601 (`PT10M`) or",
        "seconds. The defaults run at once on one machine.",
        "",
    ]
    for name, prefix, cls in PROGRAMS:
        lines += [f"## {name}", ""]
        documented = catalogue.field_docstrings(cls)
        for field, default in _defaults(cls).items():
            lines += [f"### `{prefix}{field.upper()}`", "", documented[field], "", f"Default: {default}.", ""]
    return "\n".join(lines)


def _defaults(cls: type[Any]) -> dict[str, str]:
    """Field → its default, as one would write it."""
    if dataclasses.is_dataclass(cls):
        found = {field.name: field.default for field in dataclasses.fields(cls)}
    else:
        found = {name: field.get_default() for name, field in cls.model_fields.items()}
    return {name: _default(value) for name, value in found.items()}


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return f"`{pydantic.TypeAdapter(timedelta).dump_python(value, mode='json')}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> str:
    """Every command of every program."""
    lines = [
        "# Command line",
        "",
        "Each program runs from the workspace: `uv run --package cli-proj cli-proj …`, and the same for `auth-svc`,",
        "`app-svc` and `gui-proj`. Data goes to stdout, words for people to stderr.",
        "",
        "## Exit codes of cli-proj",
        "",
        "| code | means |",
        "| --- | --- |",
        "| 0 | done |",
        *(f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in cli_proj.errors.ExitCode if code),
        "",
    ]
    for name, app in COMMAND_LINES:
        lines += [f"## {name}", "", *_command(typer.main.get_command(app), name)]
    return "\n".join(lines)


def _command(command: Any, path: str) -> list[str]:
    """One command, or those of a group."""
    if hasattr(command, "commands"):
        shown = [(name, below) for name, below in command.commands.items() if not below.hidden]
        return [line for name, below in shown for line in _command(below, f"{path} {name}")]
    # Help texts are Markdown; a form feed ends what --help shows.
    help_text = inspect.cleandoc(command.help or "").partition("\f")[0].replace("\b\n", "").strip()
    lines = [f"### `{path}`", "", help_text, ""]
    parameters = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    if parameters:
        lines += ["| option or argument | |", "| --- | --- |"]
    for parameter in parameters:
        names = " ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name.upper()}`"
        words = " ".join((getattr(parameter, "help", None) or "").split())
        lines.append(f"| {names} | {words}{' Required.' if parameter.required else ''} |")
    return [*lines, ""]


def errors() -> str:
    """Every refusal, and what to do next."""
    lines = [
        "# Errors",
        "",
        "What the programs answer when they say no, and what to do next. A refusal never says more than its reader may",
        "know: what is behind it stands in the log of the service, with the same error code.",
        "",
        "## auth-svc",
        "",
        "Programs get JSON with `error` and `error_description`. The code flow's errors come back to the client in the",
        "redirect, as parameters (there the status plays no part). What cannot be sent back to a client is a page.",
        "",
    ]
    by_code: dict[str, list[type[auth_svc.errors.OAuthError]]] = {}
    for error in _below(auth_svc.errors.OAuthError):
        by_code.setdefault(error.code, []).append(error)
    # Each slice has errors of its own: their order is not that of imports.
    for code, kinds in sorted(by_code.items()):
        kinds.sort(key=lambda kind: (len(kind.__mro__), kind.description))
        lines += [f"### `{code}`", ""]
        if len(kinds) == 1:
            lines.append(f"{kinds[0].status}, “{kinds[0].description}” {catalogue.summary_of(kinds[0])}")
        else:
            lines += ["| status | description | when |", "| --- | --- | --- |"]
            lines += [f"| {kind.status} | {kind.description} | {catalogue.summary_of(kind)} |" for kind in kinds]
        lines += ["", f"**What to do:** {NEXT[code]}", ""]
    lines += [
        "## app-svc",
        "",
        "Problem details (RFC 9457), as `application/problem+json`: `type` is `about:blank`, `detail` says what is",
        "wrong in this case, `errors` names the faulty fields.",
        "",
        "### Of the guard",
        "",
        "With the challenge of RFC 6750 in `WWW-Authenticate`, and its code as `error` in the body. Each API behind",
        "`lib_two.guard` answers these.",
        "",
        "| status | `error` | when | what to do |",
        "| --- | --- | --- | --- |",
    ]
    for refusal in _below(lib_two.errors.Refused):
        code = f"`{refusal.code}`" if refusal.code else "none"
        lines.append(f"| {refusal.status} | {code} | {catalogue.summary_of(refusal)} | {NEXT[refusal.__name__]} |")
    lines += ["", "### Of the API", "", "| status | when | what to do |", "| --- | --- | --- |"]
    for problem in _below(app_svc.errors.AppError):
        lines.append(f"| {problem.status.value} | {catalogue.summary_of(problem)} | {NEXT[problem.__name__]} |")
    lines += [f"| {status} | {when} | {do} |" for status, when, do in OTHER_PROBLEMS]
    lines += [
        "",
        "## cli-proj",
        "",
        "An error is a sentence on stderr, a hint what to do, and an exit code.",
        "",
        "| exit code | when | what to do |",
        "| --- | --- | --- |",
    ]
    for exit_code in cli_proj.errors.ExitCode:
        when, do = EXIT_CODES[exit_code.name]
        lines.append(f"| {exit_code.value} | {when} | {do} |")
    lines += ["", "Answers of app-svc and errors of auth-svc become exit codes so; what is not here is 1:", ""]
    lines += ["| answer | exit code |", "| --- | --- |"]
    lines += [f"| {status} | {code.value} |" for status, code in cli_proj.errors._BY_STATUS.items()]
    lines += [f"| `{name}` | {code.value} |" for name, code in cli_proj.translation._OAUTH_CODES.items()]
    lines.append("")
    return "\n".join(lines)


def order_of_checks() -> str:
    """The page that explains the order, with the tables as they are in the code."""
    law = ["| | the check | why, and by which rule |", "| --- | --- | --- |"]
    for number, check in enumerate(auth_svc.code_flow.flow.ORDER_OF_CHECKS, 3):
        law.append(f"| {number} | {check.__name__.replace('_', ' ')} | {catalogue.summary_of(check)} |")
    tables = {
        "authorize": "\n".join(law),
        "par": _table_in(auth_svc.code_flow.PushedRequests),
        "token": _table_in(auth_svc.token.endpoint),
    }
    return _filled_in("explanation/order-of-checks.md", tables)


def scopes() -> str:
    """The page of scopes, with the table of what they open on the bus."""
    lines = ["| scope, and whose it is | may publish | may hear | |", "| --- | --- | --- | --- |"]
    for right in auth_svc.bus_admission.RIGHTS:
        publish, subscribe = (" ".join(f"`{each}`" for each in each_of) for each_of in (right.publish, right.subscribe))
        lines.append(f"| `{right.scope}`, {right.owner} | {publish} | {subscribe} | {right.text} |")
    return _filled_in("reference/scopes.md", {"bus": "\n".join(lines)})


def _filled_in(page: str, tables: dict[str, str]) -> str:
    """A page that is written by hand but for these tables."""
    text = (DOCS / page).read_text()
    for name, table in tables.items():
        before, rest = text.split(f"<!-- {name} -->\n")
        text = f"{before}<!-- {name} -->\n\n{table}\n\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    return text


def _table_in(of: Any) -> str:
    """The numbered lines of a docstring, as they stand there."""
    lines = itertools.dropwhile(lambda line: not line.startswith("1 "), (inspect.getdoc(of) or "").splitlines())
    return "\n".join(["```text", *itertools.takewhile(str.strip, lines), "```"])


def _below[T: type[Any]](cls: T) -> list[T]:
    """Every class that stands on this one, in the order in which they were written."""
    return [found for below in cls.__subclasses__() for found in (below, *_below(below))]


NEXT = {
    "unknown_stream": "Ask for the list of your streams (`GET /ssf/streams`), or make one.",
    "stream_exists": "Change your stream with PATCH or PUT, or delete it first.",
    "unknown_webhook": "Ask for the list of the webhooks (`GET /admin/webhooks`).",
    "invalid_request": "Mend the request; `error_description` says what is wrong with it.",
    "invalid_client_metadata": "Compare with [what may be registered](http-auth-svc.md#registration). The log of "
    "auth-svc names the member.",
    "invalid_redirect_uri": "Register `https://…`, `http://127.0.0.1/…` or `com.example.app:/…`, complete and without "
    "fragment or wildcard.",
    "invalid_software_statement": "Get a new statement from its issuer. The log of auth-svc says what this one lacks.",
    "unapproved_software_statement": "Get a statement for this server from an issuer that its operator trusts "
    "(`AUTH_SVC_SOFTWARE_ISSUERS_FILE`).",
    "invalid_client": "Check the client's id and secret, and that it has not been disabled (`auth-svc clients list`).",
    "invalid_grant": "Start again from the sign-in. It will not become good by trying again.",
    "unauthorized_client": "An operator can register the client for this grant type.",
    "unsupported_grant_type": "Use one of `grant_types_supported` in the metadata.",
    "invalid_scope": "Ask for [scopes](scopes.md) that the client may have and the person's role may grant.",
    "invalid_target": "Name app-svc's address or the issuer as `resource`, exactly as auth-svc is set up with them.",
    "access_denied": "Nothing: the person said no. Begin again if they change their mind.",
    "unsupported_response_type": "Send `response_type=code`.",
    "invalid_authorization_details": "Send an array of objects of the types in `authorization_details_types_supported` "
    "that the client is registered for; at `/token`, none that was not granted.",
    "unmet_authentication_requirements": "Ask for one of `acr_values_supported` of the metadata.",
    "login_required": "Send the same request without `prompt=none`, where the person can see it.",
    "consent_required": "Send the same request without `prompt=none`, where the person can see it.",
    "invalid_request_object": "Sign it with a key of the client, for the issuer as `aud`, with `client_id` inside.",
    "request_uri_not_supported": "Send the parameters themselves, or push them to `/par`.",
    "registration_not_supported": "Have the client registered by an operator (`auth-svc clients add`).",
    "authorization_pending": "Ask again after `interval` seconds.",
    "slow_down": "Wait five seconds longer between two polls, from now on.",
    "expired_token": "Start the flow again.",
    "unknown_user_id": "Send the user name as `login_hint`, or an ID token that this client got as `id_token_hint`.",
    "invalid_binding_message": "Send a shorter message without line breaks.",
    "invalid_token": "Get a new access token: refresh, else sign in again.",
    "invalid_dpop_proof": "Make a new proof for this very request, with a clock that is right; one must be sent where "
    "tokens are [bound to a key](http-auth-svc.md#proof-of-possession).",
    "use_dpop_nonce": "Make a new proof with the `nonce` of the header `DPoP-Nonce`, and send the same request again.",
    "insufficient_scope": "Get a token with the scope; an operator registers a client with it.",
    "unknown_identifier": "`auth-svc users list` and `auth-svc clients list` show who is there.",
    "unknown_subject": "Check the identifier: `sub` of a token, or the person's e-mail address.",
    "ambiguous_subject": "Name the person by `iss_sub`.",
    "server_error": "Try again later, and tell the operator: the log of auth-svc has the reason.",
    "temporarily_unavailable": "Wait as many seconds as `Retry-After` says, and send the same request again.",
    "MissingToken": "Send `Authorization: Bearer …`. The challenge says where to learn who issues tokens.",
    "MalformedRequest": "Mend what `detail` names.",
    "InvalidToken": "Refresh the token, else sign in again.",
    "InsufficientAuthentication": "Sign in again with the `max_age` and `acr_values` of the challenge.",
    "InvalidProof": "Make a new proof for this very request and this token, with a clock that is right.",
    "NonceNeeded": "Make a new proof with the `nonce` of the header `DPoP-Nonce`, and send the same request again.",
    "InsufficientScope": "Get a token with the scope that the challenge names; perhaps as somebody else.",
    "CannotKnow": "Wait as many seconds as `Retry-After` says. The bus and auth-svc are both away.",
    "NotFound": "Check the id or reference; `GET /shipments?q=` searches.",
    "BodyTimeout": "Send it again over a connection that is fast enough: 20 seconds are the limit.",
    "Conflict": "Look at what is recorded. The request will not become good by trying again.",
    "BodyTooLarge": "Send less: `detail` names the limit. Divide a batch.",
    "WrongMediaType": "Send JSON, and say so in `Content-Type`.",
    "InvalidRequest": "Mend the fields that `errors` names.",
    "Overloaded": "Wait as many seconds as `Retry-After` says.",
}
"""What to do about each error, by its code or, where it has none, by its class. One that lacks is an error here."""

OTHER_PROBLEMS = (
    (404, "There is nothing at this address.", "Check the address: [HTTP](http-app-svc.md) has all of them."),
    (405, "This address does not know this method.", "`Allow` has one that it knows."),
    (422, "A parameter of the address is wrong or unknown.", "Mend the parameters that `errors` names."),
    (500, "Something broke.", "Tell the operator: the log of app-svc has the reason."),
    (503, "The database is away.", "Wait as many seconds as `Retry-After` says, and send the same request again."),
)

EXIT_CODES = {
    "OK": ("Done.", ""),
    "FAILURE": (
        "Failed. For `import`: something was not imported.",
        "Read the message; `cli-proj --debug …` shows where an unexpected error came from.",
    ),
    "USAGE": ("Wrong usage, a wrong setting or a wrong mapping.", "`cli-proj … --help`."),
    "SIGN_IN_NEEDED": ("Nobody is signed in, or no longer.", "`cli-proj login`."),
    "NOT_ALLOWED": ("You may not do this, or you said no.", "`cli-proj whoami` shows what you may do."),
    "NOT_FOUND": ("There is no such thing.", "`cli-proj shipments list -q TEXT` searches."),
    "CONFLICT": ("It contradicts what is recorded.", "`cli-proj shipments show REFERENCE` shows what is recorded."),
    "AWAY": (
        "A service is away or busy. For `status`: something is not as it should be.",
        "Try again later; `cli-proj status` shows which part is away.",
    ),
    "INTERRUPTED": ("Ctrl-C.", "The same command again is safe: see what it says about repeating."),
    "BROKEN_PIPE": ("The reader of a pipe went away, such as `head`.", "Nothing."),
}


COMMAND_LINES: tuple[tuple[str, typer.Typer], ...] = (
    ("cli-proj", cli_proj.app.app),
    ("auth-svc", auth_svc.__main__.application),
    ("app-svc", app_svc.__main__.cli),
)

PROGRAMS: tuple[tuple[str, str, type[Any]], ...] = (
    ("auth-svc", "AUTH_SVC_", auth_svc.settings.Settings),
    ("app-svc", "APP_SVC_", app_svc.settings.Settings),
    ("cli-proj", "CLI_", cli_proj.settings.Settings),
    ("gui-proj", "GUI_", gui_proj.settings.Settings),
)

PAGES: dict[str, Callable[[], str]] = {
    "reference/events.md": events,
    "reference/asyncapi.json": asyncapi,
    "reference/metrics.md": metrics,
    "reference/settings.md": settings,
    "reference/topology.md": topology,
    "reference/cli.md": commands,
    "reference/errors.md": errors,
    "reference/scopes.md": scopes,
    "explanation/order-of-checks.md": order_of_checks,
    "../deploy/nats/one.conf": partial(shipped, ("nats",)),
    "../deploy/nats/three.conf": partial(shipped, ("nats-1", "nats-2", "nats-3")),
    **{f"reference/schemas/{catalogue.name_of(fact)}.json": partial(_schema, fact) for fact in _facts()},
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
