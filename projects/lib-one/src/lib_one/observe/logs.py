"""One structured log, on stderr, for our own lines and for those of libraries.

    configure_logging("auth-svc")
    log = get_logger(__name__)
    log.info("signing key activated", key_id=key.id)

The event is a short constant sentence, and what varies is a field: then a log can be counted. On a terminal it is
coloured text, else one JSON object a line. A line that is written while a request is answered or an event handled has
its `trace_id`. Values under a secret's name (`password`, `token`, `Authorization`, ...) never get that far.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import msgspec

from lib_one import trace
from lib_one.imports import without

with without("rich"):  # it draws tracebacks, and ours are plain
    import structlog
    from structlog.tracebacks import ExceptionDictTransformer
    from structlog.typing import FilteringBoundLogger, Processor

HIDDEN = "[hidden]"
_SECRET_ENDINGS = (
    "password",
    "secret",
    "seed",
    "token",
    "code",
    "verifier",
    "assertion",
    "authorization",
    "cookie",
    "private_key",
    "credentials",
)
_NO_SECRETS = frozenset({"status_code", "error_code", "exit_code", "err_code", "country_code"})


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module; `name` is its `__name__`."""
    return cast("FilteringBoundLogger", structlog.stdlib.get_logger(name))


def configure_logging(service: str, *, json: bool | None = None, level: str = "INFO") -> None:
    """Set the log up, once a process, before anything else runs.

    Args:
        service: The name that each line carries, such as `auth-svc`.
        json: One JSON object a line, or text for people. By default: text if stderr is a terminal.
        level: The least that is shown, in the words of `logging`.
    """
    as_json = not sys.stderr.isatty() if json is None else json

    def name_service(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["service"] = service
        return line

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
        name_trace,
        hide_secrets,
    ]
    # Tracebacks without local variables: those are where the secrets are.
    render: list[Processor] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Access lines carry query strings (codes, states), and cost more than many a request. A proxy keeps them better.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("httpx", "httpcore", "nats", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def name_trace(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say to which trace the work at hand belongs. A structlog processor."""
    work = trace.current()
    if work is not None:
        line["trace_id"], line["span_id"], _ = work.context
    return line


def hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what stands under a secret's name, at any depth of mappings. A structlog processor."""
    for key, value in line.items():
        if _is_secret(key):
            line[key] = HIDDEN
        elif isinstance(value, dict):
            line[key] = hide_secrets(None, "", dict(value))
    return line


def _is_secret(key: object) -> bool:
    name = str(key).lower().replace("-", "_")
    return name.endswith(_SECRET_ENDINGS) and name not in _NO_SECRETS


def _to_json(line: object, **_options: object) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()
