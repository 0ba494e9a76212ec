"""What a receiver says about its stream, and how a stream is shown to it (SSF 1.0 section 8.1.1)."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from auth_svc.clients import redirect_uri_problem
from auth_svc.errors import InvalidRequest
from auth_svc.secret_key import SecretKey
from auth_svc.signals.events import POLL, PUSH, SUPPORTED
from auth_svc.signals.store import Stream

MIN_VERIFICATION_INTERVAL: Final = timedelta(minutes=1)
"""Between two verifications that a receiver asks for."""
AUTHORIZATION_PURPOSE: Final = "signal receivers"
_LONGEST_URI: Final = 2048
_LONGEST_AUTHORIZATION: Final = 4096
_LONGEST_DESCRIPTION: Final = 256
_MOST_EVENTS: Final = 64


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How signals get to the receiver (SSF 1.0 section 6.1)."""

    method: str
    endpoint_url: str | None = None
    authorization_header: str | None = None


class StreamWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request about a stream. What only we say may be repeated in it, and must then be right."""

    stream_id: str | msgspec.UnsetType = msgspec.UNSET
    events_requested: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    delivery: Delivery | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    iss: Any = msgspec.UNSET
    aud: Any = msgspec.UNSET
    events_supported: Any = msgspec.UNSET
    events_delivered: Any = msgspec.UNSET
    min_verification_interval: Any = msgspec.UNSET


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be of a stream, checked; what is UNSET stays as it is."""

    events_requested: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    endpoint_url: str | msgspec.UnsetType | None = msgspec.UNSET
    authorization_sealed: bytes | msgspec.UnsetType | None = msgspec.UNSET

    def apply(self, stream: Stream) -> Stream:
        """The stream as it is to be."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not msgspec.UNSET}
        return msgspec.structs.replace(stream, **given)


class Describing:
    """Reads what receivers say, and shows streams to them."""

    def __init__(self, secret_key: SecretKey, *, issuer: str) -> None:
        self._secret_key = secret_key
        self._issuer = issuer
        self._poll_uri = f"{issuer}/ssf/poll"

    def read(self, wanted: StreamWanted, *, whole: bool) -> Description:
        """Check what a receiver says. With `whole`, what it does not say is to be as if it had never been said.

        Raises:
            InvalidRequest: it cannot be.
        """
        delivery: Delivery | msgspec.UnsetType = wanted.delivery
        if delivery is msgspec.UNSET and whole:
            delivery = Delivery(method=POLL)  # SSF 1.0 section 8.1.1.1
        requested = wanted.events_requested
        if requested is not msgspec.UNSET and len(requested) > _MOST_EVENTS:
            raise InvalidRequest("too many event types")
        text = wanted.description
        if text is not msgspec.UNSET:
            text = "".join(character for character in text if character.isprintable())[:_LONGEST_DESCRIPTION]
        nothing: Any = None if whole else msgspec.UNSET
        return Description(
            events_requested=nothing if requested is msgspec.UNSET else requested,
            description=nothing if text is msgspec.UNSET else text,
            **({} if delivery is msgspec.UNSET else self._delivery(delivery)),
        )

    def check(self, wanted: StreamWanted, stream: Stream) -> None:
        """Refuse a request that says of what only we say that it is otherwise (SSF 1.0 section 8.1.1.3).

        Raises:
            InvalidRequest: it does.
        """
        shown = self.show(stream)
        for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
            said = getattr(wanted, name)
            if said is not msgspec.UNSET and said != shown.get(name):
                raise InvalidRequest(f"another {name}")

    def show(self, stream: Stream) -> dict[str, Any]:
        """The configuration of a stream. What `Authorization` says at the receiver is never shown."""
        shown: dict[str, Any] = {
            "stream_id": stream.stream_id,
            "iss": self._issuer,
            "aud": stream.client_id,
            "events_supported": list(SUPPORTED),
            "events_delivered": list(stream.events_delivered),
            "delivery": {"method": stream.method, "endpoint_url": stream.endpoint_url or self._poll_uri},
            "min_verification_interval": int(MIN_VERIFICATION_INTERVAL.total_seconds()),
        }
        if stream.events_requested is not None:
            shown["events_requested"] = list(stream.events_requested)
        if stream.description is not None:
            shown["description"] = stream.description
        return shown

    def _delivery(self, delivery: Delivery) -> dict[str, Any]:
        if delivery.method == POLL:
            if delivery.endpoint_url not in {None, self._poll_uri}:
                raise InvalidRequest("signals are not polled there")
            return {"method": POLL, "endpoint_url": None, "authorization_sealed": None}
        if delivery.method != PUSH:
            raise InvalidRequest("another delivery method")
        uri, header = delivery.endpoint_url, delivery.authorization_header
        if uri is None or len(uri) > _LONGEST_URI or redirect_uri_problem(uri) is not None:
            raise InvalidRequest("no address to push to")
        # A plain connection is for development, where our own address has one, too.
        if urlsplit(uri).scheme not in {"https", urlsplit(self._issuer).scheme}:
            raise InvalidRequest("signals are pushed over https")
        if header is not None and (
            not 0 < len(header) <= _LONGEST_AUTHORIZATION or not header.isascii() or not header.isprintable()
        ):
            raise InvalidRequest("no value of a header")
        sealed = None if header is None else self._secret_key.seal(header.encode(), purpose=AUTHORIZATION_PURPOSE)
        return {"method": PUSH, "endpoint_url": uri, "authorization_sealed": sealed}
