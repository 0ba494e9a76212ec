"""The client for addresses that strangers gave (RFC 7591 section 5, RFC 9700: no request forged through the server)."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from lib_one import http
from lib_one.http.guarded import is_public
from lib_one.testing import FakeWeb, free_port

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff0e::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_never_connected_to(address: str) -> None:
    def unreachable(_request: http.Request) -> http.Response:
        raise AssertionError("it was connected to")

    async def resolve(_host: str) -> list[str]:
        return ["93.184.216.34", address]

    transport = http.MockTransport(unreachable)
    async with http.guarded_client(transport=transport, resolve=resolve) as client:
        with pytest.raises(http.ForbiddenTargetError):
            await client.get("https://rp.example/jwks")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", "127.0.0.1."])
async def test_loopback_in_any_spelling_is_refused_by_the_real_resolver(host: str) -> None:
    async with http.guarded_client() as client:
        with pytest.raises(http.TransportError):
            await client.get(f"https://{host}:{free_port()}/")


@pytest.mark.parametrize(
    "url", ["http://rp.example/", "ftp://rp.example/", "file:///etc/passwd", "https://user:secret@rp.example/", "//x"]
)
async def test_only_https_without_a_user_name_is_asked(url: str) -> None:
    web = FakeWeb()
    async with web.client() as client:
        with pytest.raises(http.HTTPError):
            await client.get(url)
    assert web.requests == []


async def test_the_checked_address_is_the_one_connected_to_under_the_name_that_was_asked_for() -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    seen: list[http.Request] = []

    def answer(request: http.Request) -> http.Response:
        seen.append(request)
        return http.Response(200, text="ok")

    async def change_its_mind(_host: str) -> list[str]:
        return next(answers)

    transport = http.MockTransport(answer)
    async with http.guarded_client(transport=transport, resolve=change_its_mind) as client:
        response = await client.get("https://rp.example:8443/jwks?x=1")
        with pytest.raises(http.ForbiddenTargetError):
            await client.get("https://rp.example:8443/jwks")
    (request,) = seen
    assert str(request.url) == "https://93.184.216.34:8443/jwks?x=1"
    assert request.headers["host"] == "rp.example:8443"
    assert request.extensions["sni_hostname"] == "rp.example"
    assert str(response.request.url) == "https://rp.example:8443/jwks?x=1"


async def test_the_next_address_is_tried_when_one_does_not_answer_and_the_body_goes_with_it() -> None:
    bodies: list[bytes] = []

    async def answer(request: http.Request) -> http.Response:
        if request.url.host == "93.184.216.34":
            raise http.ConnectError("away", request=request)
        bodies.append(await request.aread())
        return http.Response(200)

    async def resolve(_host: str) -> list[str]:
        return ["93.184.216.34", "93.184.216.35"]

    async with http.guarded_client(transport=http.MockTransport(answer), resolve=resolve) as client:
        assert (await client.post("https://rp.example/logout", data={"logout_token": "x"})).status_code == 200
    assert bodies == [b"logout_token=x"]


async def test_a_name_without_an_address_is_a_transport_error() -> None:
    async def nowhere(_host: str) -> list[str]:
        raise OSError("no such name")

    async def empty(_host: str) -> list[str]:
        return []

    for resolve in (nowhere, empty):
        async with http.guarded_client(resolve=resolve) as client:
            with pytest.raises(http.ConnectError):
                await client.get("https://rp.example/")


async def test_a_redirect_is_not_followed() -> None:
    web = FakeWeb()
    web["https://rp.example/"] = http.Response(302, headers={"location": "https://169.254.169.254/"})
    async with web.client() as client:
        assert (await client.get("https://rp.example/")).status_code == 302
    assert len(web.requests) == 1


async def test_an_answer_is_bounded_in_size_and_never_unpacked() -> None:
    web = FakeWeb()
    web["https://rp.example/full"] = http.Response(200, content=b"x" * 64 * 1024)
    web["https://rp.example/large"] = http.Response(200, content=b"x" * (64 * 1024 + 1))
    packed = gzip.compress(b"x" * 1024)
    web["https://rp.example/bomb"] = lambda _request: http.Response(
        200, headers={"content-encoding": "gzip"}, content=packed
    )
    async with web.client() as client:
        assert len((await client.get("https://rp.example/full")).content) == 64 * 1024
        for path in ("large", "bomb"):
            with pytest.raises(http.ResponseTooLargeError):
                await client.get(f"https://rp.example/{path}")


async def test_an_answer_that_never_ends_is_cut_off_while_it_arrives() -> None:
    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 1024)
            await writer.drain()

    async with _serving(pour) as port, http.guarded_client(loopback=True) as client:
        with pytest.raises(http.ResponseTooLargeError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_the_time_is_bounded_for_the_whole_and_not_for_each_byte() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with _serving(drip) as port, http.guarded_client(loopback=True, timeout=0.2) as client:
        with pytest.raises(http.TimeoutException):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_a_loopback_issuer_reaches_its_own_machine_but_no_other_private_network() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with _serving(serve) as port, http.guarded_client(loopback=True) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
        with pytest.raises(http.ForbiddenTargetError):
            await client.get("http://169.254.169.254/latest/meta-data")
    async with http.guarded_client() as client:
        with pytest.raises(http.ForbiddenTargetError):
            await client.get(f"http://127.0.0.1:{port}/")


@asynccontextmanager
async def _serving(answer: Callable[..., object]) -> AsyncIterator[int]:
    async def until_they_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)  # type: ignore[misc]
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(until_they_go, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
