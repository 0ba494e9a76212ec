"""What the workers of app-svc have given up, for operators: list, show, replay, drop."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app_svc.errors import Conflict, NotFound, Overloaded
from app_svc.web import documented, json_response
from lib_one.errors import BusUnavailableError, LetterNotFoundError, ReplayRefusedError
from lib_one.nats import DeadLetter, DeadLetters, LetterPage
from lib_one.observe import get_logger
from lib_two.fastapi import require
from lib_two.guard import Principal

BODIES = (LetterPage, DeadLetter)
"""What is answered here, for OpenAPI."""

log = get_logger(__name__)

Operator = Annotated[Principal, Depends(require("shipments:admin"))]


def router(letters: DeadLetters) -> APIRouter:
    """The routes, over the letters of this service."""
    routes = APIRouter(prefix="/admin/dead", tags=["admin"])

    @routes.get("", **documented(responses={200: LetterPage}))
    async def list_dead_letters(
        _operator: Operator,
        consumer: Annotated[str | None, Query(max_length=128)] = None,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Response:
        """Dead letters, newest first. Go on with `before` until it is null."""
        return json_response(await _told(letters.page(consumer=consumer, before=before, limit=limit)))

    @routes.get("/{number}", **documented(responses={200: DeadLetter}))
    async def show_dead_letter(number: int, _operator: Operator) -> Response:
        """One dead letter, with its message."""
        return json_response(await _told(letters.find(number)))

    @routes.post("/{number}/replay", **documented(responses={200: DeadLetter}))
    async def replay_dead_letter(number: int, operator: Operator) -> Response:
        """Deliver the message once more, to the worker that gave it up alone. The letter is gone then."""
        letter = await _told(letters.replay(number))
        log.info("a dead letter is replayed", number=number, consumer=letter.consumer, by=operator.subject)
        return json_response(letter)

    @routes.delete("/{number}", status_code=204)
    async def drop_dead_letter(number: int, operator: Operator) -> Response:
        """Forget a dead letter. Its message is not delivered again."""
        await _told(letters.drop(number))
        log.info("a dead letter is dropped", number=number, by=operator.subject)
        return Response(status_code=204)

    return routes


async def _told[T](question: Awaitable[T]) -> T:
    """The answer, or why there is none."""
    try:
        return await question
    except LetterNotFoundError as error:
        raise NotFound(f"There is no dead letter {error.number}.") from error
    except ReplayRefusedError as error:
        raise Conflict(f"It cannot be replayed: {error}.") from error
    except BusUnavailableError as error:
        raise Overloaded("The bus is away. Try again later.", headers={"Retry-After": "5"}) from error
