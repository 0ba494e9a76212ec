"""/ssf/receive: another issuer pushes what happened to people there (RFC 8935). Its signature shows who it is."""

from typing import Final

import msgspec

from auth_svc.signals.events import MEDIA_TYPE
from auth_svc.signals.incoming import SignalError
from auth_svc.signals.intake import Intake
from auth_svc.wire import NO_STORE, Request, Response
from lib_one.observe import get_logger

_REFUSED: Final = [(b"content-type", b"application/json"), (b"content-language", b"en"), *NO_STORE]

_log = get_logger(__name__)


class SignalReceiver:
    """POST /ssf/receive."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, request: Request) -> Response:
        """Take a token: 202 once what follows from it is committed (section 2.2)."""
        try:
            media = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
            if media != MEDIA_TYPE.encode():
                raise SignalError("invalid_request", f"The body must be {MEDIA_TYPE}.")
            await self._intake.take(await request.body())
        except SignalError as error:
            _log.info("signal refused", error=error.code, detail=error.description)
            return Response(400, _REFUSED, msgspec.json.encode(error.told))
        return Response(202, NO_STORE, b"")
