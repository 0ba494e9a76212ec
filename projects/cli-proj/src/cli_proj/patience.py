"""Try again for a while when a service is away. Only for calls that are safe to repeat."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from cli_proj.errors import CliError, ExitCode
from cli_proj.translation import translate

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0


async def patiently[T](
    call: Callable[[], Awaitable[T]],
    *,
    seconds: float,
    waiting: Callable[[CliError, float], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """What `call` returns, tried again with growing pauses while the service is away, for up to `seconds`.

    `waiting` is told of every pause before it starts. Whatever else goes wrong is raised at once.
    """
    end = clock() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            return await call()
        except Exception as error:
            failure = translate(error)
            if failure.code is not ExitCode.AWAY or clock() + pause > end:
                raise
        # A little chance, so that many who wait do not come back at the same moment.
        length = pause * random.uniform(0.8, 1.2)  # noqa: S311 - not for secrets
        waiting(failure, length)
        await sleep(length)
        pause = min(pause * 2, LONGEST_PAUSE)
