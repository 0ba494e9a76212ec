"""An authorization server for tests: everything a client or a guard asks of one, in one process and under control.

    with FakeIssuer() as issuer:
        token = issuer.mint("user-1", "shipments:read")

It is not auth-svc and shares no code with it, so that the two cannot be wrong together.
"""

import asyncio
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256, sha512
from typing import Any, Self
from urllib.parse import unquote_plus, urlencode

from lib_one.bus import Bus
from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.event import Contract, Now, event, new_id, utc_now
from lib_two.testing.server import Answer, Asked, Server
from lib_two.testing.tokens import Revocations, Signer, access_claims


class FakeIssuer:
    """An issuer on a free port of 127.0.0.1. Public clients are taken under any id.

    Args:
        audience: `aud` of the access tokens.
        now: The clock for `iat`, `exp` and the heartbeat.
        algorithm: Of the first key: ES256, RS256, EdDSA or Ed25519.
        clients: Confidential clients and their secrets; they may introspect and use client credentials.
        lifetime: Of access tokens.
    """

    def __init__(
        self,
        *,
        audience: str = "http://127.0.0.1:8401",
        now: Now = utc_now,
        algorithm: str = "ES256",
        clients: dict[str, str] | None = None,
        lifetime: timedelta = timedelta(minutes=10),
    ) -> None:
        self.audience = audience
        self.lifetime = lifetime
        self.clients = clients or {"app-svc": "app-svc-secret", "simulator": "simulator-secret"}
        self.signer = Signer(now)
        self.signer.add_key(algorithm)
        self.revocations = Revocations()
        self.requests: Counter[str] = Counter()
        """How often each path was asked for."""
        self.subject = new_id()
        """Who signs in at `/authorize` and approves device codes."""
        self.refusal: str | None = None
        """An OAuth error that `/authorize` and `/token` answer with from now on."""
        self.metadata: dict[str, Any] = {}
        """Members that replace those of the metadata document."""
        self.rotate = True
        """Whether a refresh gives a new refresh token and uses up the old one."""
        self.more: dict[str, Callable[[Asked], Answer]] = {}
        """What it answers at other paths than an issuer must have."""
        self._now = now
        self._rights: dict[str, dict[str, str]] = {}
        self._opaque: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()
        self._bus: Bus | None = None
        self._one_at_a_time = threading.Lock()
        self._server = Server(self._respond)

    # Life.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen (again)."""
        self._server.start()

    def stop(self) -> None:
        """Stop listening, as in an outage. `start` takes the same port again."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The issuer identifier."""
        return f"http://127.0.0.1:{self._server.port}"

    # Tokens.

    def mint(self, subject: str, scope: str, *, client_id: str = "cli-proj", **claims: Any) -> str:
        """An access token. Claims are added or replaced by name; `None` takes one away."""
        return self.signer.sign(self.claims(subject, scope, client_id=client_id, **claims), type_="at+jwt")

    def mint_opaque(self, subject: str, scope: str, *, client_id: str = "cli-proj", **claims: Any) -> str:
        """An access token that only introspection understands, with these claims."""
        token = secrets.token_urlsafe(32)
        self._opaque[token] = self.claims(subject, scope, client_id=client_id, **claims)
        return token

    def claims(self, subject: str, scope: str, *, client_id: str = "cli-proj", **claims: Any) -> dict[str, Any]:
        """The claims that `mint` would sign."""
        return access_claims(
            issuer=self.url,
            audience=self.audience,
            subject=subject,
            scope=scope,
            client_id=client_id,
            now=self._now(),
            lifetime=self.lifetime,
            more=claims,
        )

    def mint_id_token(self, client_id: str, *, access_token: str | None = None, **claims: Any) -> str:
        """An ID token (OpenID Connect Core section 2), with `at_hash` when the access token is given."""
        now = self._now()
        values = {
            "iss": self.url,
            "sub": self.subject,
            "aud": client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + self.lifetime).timestamp()),
            "at_hash": _half_hash(access_token, self.signer) if access_token else None,
            **claims,
        }
        return self.signer.sign({name: value for name, value in values.items() if value is not None}, type_="JWT")

    def refresh_token(self, client_id: str, scope: str, *, subject: str | None = None) -> str:
        """A refresh token for a new grant."""
        return self._right("refresh", client_id=client_id, scope=scope, sub=subject or self.subject, grant_id=new_id())

    # Revocation.

    @asynccontextmanager
    async def on_bus(self, bus: Bus, *, every: float = 1.0) -> AsyncIterator[None]:
        """Tell revocations to `bus` for the length of the block, with a heartbeat `every` so many seconds."""
        self._bus = bus
        beating = asyncio.create_task(self._beat(bus, every))
        try:
            yield
        finally:
            self._bus = None
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def revoke(self, fact: Contract) -> None:
        """Revoke, as `fact` from `lib_one.contracts.revocation` says: introspection knows at once, the bus is told."""
        self.revocations.facts.append(fact)
        if self._bus is not None:
            await self._publish(self._bus, fact)

    async def revoke_token(self, token: str) -> None:
        """Revoke one access token."""
        claims = self.signer.read(token) or {}
        await self.revoke(TokenRevoked(token_id=str(claims.get("jti")), expires_at=self._now() + self.lifetime))

    async def heartbeat(self) -> None:
        """One heartbeat into the stream."""
        if self._bus is not None:
            await self._publish(self._bus, RevocationHeartbeat(sent_at=self._now()))

    async def _beat(self, bus: Bus, every: float) -> None:
        while True:
            await bus.publish(
                [event(RevocationHeartbeat(sent_at=self._now()), source="/auth-svc", now=self._now).encode()]
            )
            await asyncio.sleep(every)

    async def _publish(self, bus: Bus, fact: Contract) -> None:
        (result,) = await bus.publish([event(fact, source="/auth-svc", now=self._now).encode()])
        if isinstance(result, BaseException):
            raise result

    # Device codes.

    def decide_device(self, user_code: str, *, approve: bool = True) -> None:
        """What somebody does with the code on the other device."""
        for right in self._rights.values():
            if right.get("user_code") == user_code:
                right["state"] = "approved" if approve else "denied"

    def decide_backchannel(self, auth_req_id: str, *, approve: bool = True) -> None:
        """What somebody answers who was asked over the back channel."""
        self._rights[auth_req_id]["state"] = "approved" if approve else "denied"

    # HTTP.

    def _respond(self, asked: Asked) -> Answer:
        with self._one_at_a_time:
            self.requests[asked.path] += 1
            return self._route(asked)

    def _route(self, asked: Asked) -> Answer:
        match asked.path:
            case "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server":
                return Answer({name: value for name, value in self._metadata().items() if value is not None})
            case "/jwks":
                return Answer(self.signer.jwks())
            case "/introspect":
                return self._introspect(asked)
            case "/token":
                return self._token(asked)
            case "/revoke":
                return self._revoke(asked)
            case "/authorize":
                return self._authorize(asked)
            case "/device_authorization":
                return self._device(asked)
            case "/backchannel_authentication":
                return self._backchannel(asked)
            case "/userinfo":
                claims = self._valid(asked.headers.get("authorization", "").removeprefix("Bearer "))
                return Answer({"sub": claims["sub"]}) if claims else _error("invalid_token", 401)
        return self.more[asked.path](asked) if asked.path in self.more else Answer("not found", 404)

    def _metadata(self) -> dict[str, Any]:
        names = (
            *("token", "introspection", "revocation", "userinfo", "authorization"),
            *("device_authorization", "backchannel_authentication"),
        )
        paths = {"introspection": "introspect", "revocation": "revoke", "authorization": "authorize"}
        return {
            "issuer": self.url,
            **{f"{name}_endpoint": f"{self.url}/{paths.get(name, name)}" for name in names},
            "jwks_uri": f"{self.url}/jwks",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def _valid(self, token: str) -> dict[str, Any] | None:
        claims = self._opaque.get(token) or self.signer.read(token)
        if claims is None or claims["exp"] <= self._now().timestamp() or self.revocations.hit(claims):
            return None
        return claims

    def _introspect(self, asked: Asked) -> Answer:
        if self._confidential(asked) is None:
            return _error("invalid_client", 401)
        claims = self._valid(asked.form.get("token", ""))
        return Answer({"active": True, **claims} if claims else {"active": False})

    def _revoke(self, asked: Asked) -> Answer:
        token = asked.form.get("token", "")
        right = self._rights.pop(token, None)
        claims = self.signer.read(token)
        if right is not None:
            self._used.add(token)
        if claims is not None:
            self.revocations.facts.append(TokenRevoked(token_id=claims["jti"], expires_at=self._now() + self.lifetime))
        return Answer("")

    def _authorize(self, asked: Asked) -> Answer:
        query = asked.query
        back = {"state": query.get("state", ""), "iss": self.url}
        if self.refusal is not None:
            back["error"] = self.refusal
        else:
            back["code"] = self._right("code", sub=self.subject, grant_id=new_id(), **query)
        return Answer("", 303, {"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    def _device(self, asked: Asked) -> Answer:
        user_code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8))
        user_code = f"{user_code[:4]}-{user_code[4:]}"
        device_code = self._right(
            "device", user_code=user_code, state="pending", sub=self.subject, grant_id=new_id(), **asked.form
        )
        uri = f"{self.url}/device"
        return Answer(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": uri,
                "verification_uri_complete": f"{uri}?user_code={user_code}",
                "expires_in": 600,
                "interval": 1,
            }
        )

    def _backchannel(self, asked: Asked) -> Answer:
        client_id = self._confidential(asked)
        if client_id is None:
            return _error("invalid_client", 401)
        form = {"sub": self.subject, "client_id": client_id, "grant_id": new_id(), **asked.form}
        return Answer({"auth_req_id": self._right("asked", state="pending", **form), "expires_in": 300, "interval": 1})

    def _token(self, asked: Asked) -> Answer:
        form = asked.form
        if self.refusal is not None:
            return _error(self.refusal)
        match form.get("grant_type"):
            case "client_credentials":
                client_id = self._confidential(asked)
                if client_id is None:
                    return _error("invalid_client", 401)
                return self._tokens({"sub": client_id, "client_id": client_id, "scope": form.get("scope", "")})
            case "authorization_code":
                right = self._use("code", form.get("code", ""))
                if right is None or right["code_challenge"] != _challenge(form.get("code_verifier", "")):
                    return _error("invalid_grant")
                return self._tokens(right)
            case "refresh_token":
                right = self._use("refresh", form.get("refresh_token", ""), keep=not self.rotate)
                return _error("invalid_grant") if right is None else self._tokens(right)
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self._decided("device", form.get("device_code", ""))
            case "urn:openid:params:grant-type:ciba":
                return self._decided("asked", form.get("auth_req_id", ""))
        return _error("unsupported_grant_type")

    def _decided(self, kind: str, secret: str) -> Answer:
        """What a poll is answered."""
        state = self._rights.get(secret, {}).get("state")
        refusals = {"pending": "authorization_pending", "denied": "access_denied", None: "expired_token"}
        if state != "approved":
            return _error(refusals[state])
        right = self._use(kind, secret)
        return _error("expired_token") if right is None else self._tokens(right)

    def _tokens(self, right: dict[str, str]) -> Answer:
        client_id, scope = right["client_id"], right["scope"]
        claims = {"grant_id": right.get("grant_id")}
        access_token = self.mint(right["sub"], scope, client_id=client_id, **claims)
        body: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "scope": scope}
        body["expires_in"] = int(self.lifetime.total_seconds())
        refreshed = right.get("kind") == "refresh"
        if self.rotate if refreshed else "offline_access" in scope.split():
            body["refresh_token"] = self._right("refresh", **{**right, "kind": "refresh"})
        if "openid" in scope.split():
            body["id_token"] = self.mint_id_token(client_id, access_token=access_token, nonce=right.get("nonce"))
        return Answer(body)

    def _right(self, kind: str, /, **right: str) -> str:
        """Something that gets tokens: a code, a refresh token, a device code, a request over the back channel."""
        secret = secrets.token_urlsafe(32)
        self._rights[secret] = {**right, "kind": kind}
        return secret

    def _use(self, kind: str, secret: str, *, keep: bool = False) -> dict[str, str] | None:
        """Use it up. A used one that comes back takes all of its grant with it (RFC 9700 section 4.14)."""
        right = self._rights.get(secret)
        if right is None or right["kind"] != kind:
            return None
        if secret in self._used:
            dead = right["grant_id"]
            self._rights = {name: other for name, other in self._rights.items() if other.get("grant_id") != dead}
            return None
        if not keep:
            self._used.add(secret)
        return right

    def _confidential(self, asked: Asked) -> str | None:
        """The client that authenticated with Basic (RFC 6749 section 2.3.1), or `None`."""
        scheme, _, credentials = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        client_id, _, secret = b64decode(credentials).decode().partition(":")
        client_id = unquote_plus(client_id)
        return client_id if self.clients.get(client_id) == unquote_plus(secret) else None


def _error(code: str, status: int = 400) -> Answer:
    return Answer({"error": code, "error_description": f"the fake issuer says {code}"}, status)


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _half_hash(token: str, signer: Signer) -> str:
    """`at_hash` (OpenID Connect Core section 3.1.3.6): SHA-512 for Ed25519, else SHA-256."""
    digest = (sha512 if signer.keys[signer.newest].key_type == "OKP" else sha256)(token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
