"""The web, as far as a test says: what strangers' addresses answer, behind the real guard."""

from collections.abc import Awaitable, Callable

from lib_one.http import AsyncClient, ConnectError, MockTransport, Request, Response, guarded_client

type Answers = Callable[[Request], Response | Awaitable[Response]]


class FakeWeb:
    """Addresses and what they answer. An address that has no answer refuses the connection."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """All that arrived, in order; `request.headers["host"]` is the host."""
        self._answers: dict[str, Answers] = {}

    def __setitem__(self, url: str, answer: Answers | Response) -> None:
        """Let an address (without its query) answer."""
        if isinstance(answer, Response):
            status, headers, body = answer.status_code, answer.headers, answer.content
            self._answers[url] = lambda _request: Response(status, headers=headers, content=body)
        else:
            self._answers[url] = answer

    def __delitem__(self, url: str) -> None:
        """Let an address refuse connections again."""
        del self._answers[url]

    def client(self) -> AsyncClient:
        """A guarded client for whose eyes this is the web. Every name is at a public address."""
        return guarded_client(transport=MockTransport(self._respond), resolve=_everybody_is_public)

    async def _respond(self, request: Request) -> Response:
        self.requests.append(request)
        url = f"{request.url.scheme}://{request.headers['host']}{request.url.path}"
        answer = self._answers.get(url)
        if answer is None:
            raise ConnectError(f"nothing is at {url}", request=request)
        response = answer(request)
        return response if isinstance(response, Response) else await response


async def _everybody_is_public(_host: str) -> list[str]:
    return ["203.0.114.7"]
