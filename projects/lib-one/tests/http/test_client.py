"""The one HTTP client."""

import asyncio
import ssl
from pathlib import Path

import pytest

from lib_one import http, trace
from lib_one.http.client import trusted
from lib_one.testing import free_port
from lib_one.testing.certificates import Authority


def answer(request: http.Request) -> http.Response:
    if request.url.path == "/redirect":
        return http.Response(302, headers={"location": "http://elsewhere.example/"})
    return http.Response(200, json={"path": request.url.path, "kind": request.headers.get("x-kind")})


async def test_a_base_url_and_headers_are_used_for_every_request() -> None:
    transport = http.MockTransport(answer)
    async with http.client(base_url="http://issuer.example", headers={"X-Kind": "a"}, transport=transport) as client:
        response = await client.get("/jwks")
    assert response.json() == {"path": "/jwks", "kind": "a"}


async def test_the_trace_of_the_work_at_hand_is_carried_on() -> None:
    seen: list[str | None] = []
    ended: list[trace.Ended] = []

    def remember(request: http.Request) -> http.Response:
        seen.append(request.headers.get("traceparent"))
        return http.Response(404)

    async with http.client(transport=http.MockTransport(remember)) as client:
        await client.get("http://issuer.example/")
        trace.export_to(ended.append)
        with trace.span("work", trace.CONSUMER) as work:
            await client.get("http://issuer.example/path?code=secret")
        trace.export_to(None)
    asked = ended[0]
    assert seen == [None, str(asked.context)]
    assert (asked.context.trace_id, asked.parent_id) == (work.context.trace_id, work.context.span_id)
    assert (asked.name, asked.kind, asked.failed) == ("GET issuer.example", trace.CLIENT, True)
    assert "secret" not in str(ended)


async def test_a_redirect_is_not_followed_because_a_token_must_not_travel() -> None:
    async with http.client(base_url="http://issuer.example", transport=http.MockTransport(answer)) as client:
        assert (await client.get("/redirect")).status_code == 302


async def test_an_authority_that_is_not_public_is_believed_where_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    server = await asyncio.start_server(_serve_once, "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for file in (None, authority.file):
        if file is None:
            monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        else:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        trusted.cache_clear()
        async with http.client() as client:
            if file is None:
                with pytest.raises(http.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(address)
            else:
                assert (await client.get(address)).text == "ok"
    trusted.cache_clear()
    server.close()
    await server.wait_closed()


async def test_a_proxy_from_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    server = await asyncio.start_server(_serve_once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with http.client() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
    server.close()
    await server.wait_closed()


async def test_nobody_there_is_a_transport_error() -> None:
    async with http.client() as client:
        with pytest.raises(http.TransportError):
            await client.get(f"http://127.0.0.1:{free_port()}/")


async def test_a_server_that_falls_silent_is_given_up() -> None:
    async def fall_silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.close()

    server = await asyncio.start_server(fall_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with http.client(timeout=0.1) as client:
        with pytest.raises(http.TimeoutException):
            await client.get(f"http://127.0.0.1:{port}/")
    server.close()
    await server.wait_closed()


def test_every_error_can_be_caught_as_one() -> None:
    for error in (http.TransportError, http.TimeoutException, http.ConnectError, http.HTTPStatusError):
        assert issubclass(error, http.HTTPError)


async def _serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    await writer.drain()
    writer.close()
