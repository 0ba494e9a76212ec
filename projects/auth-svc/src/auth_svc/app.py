"""The composition root: the one place where the parts of auth-svc are made and put together.

What is mounted stands in `AuthService.__init__`, by path: machine endpoints in the fast lane, pages behind them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from itertools import chain

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from auth_svc import discovery, health, openapi, secret_key
from auth_svc.backchannel_flow import (
    BACKCHANNEL_NOTIFICATION,
    Backchannel,
    BackchannelAuthentication,
    BackchannelNotification,
    Notifications,
    RequestPages,
)
from auth_svc.clients import Assertions, ClientAuthentication, ClientKeys, ClientRegistration, Clients, ClientSecrets
from auth_svc.code_flow import AuthorizationCode, CodeFlowPages, PushedRequests, RequestObjects, RequestReader
from auth_svc.consents import ConsentPages
from auth_svc.db import Ledger
from auth_svc.deliveries import Deliveries, DeliveryWorker
from auth_svc.device_flow import DeviceAuthorization, DeviceCode, DevicePages
from auth_svc.exchange import TokenExchange
from auth_svc.housekeeping import Housekeeping
from auth_svc.introspection import IntrospectionEndpoint
from auth_svc.jwt_bearer import JwtBearer, read_trusted_issuers
from auth_svc.keys import KeyRing, KeyRotation
from auth_svc.logout import GlobalTokenRevocation, LogoutPages
from auth_svc.proofs import Possession
from auth_svc.registration import ClientDocuments, RegistrationEndpoint, SoftwareStatements, read_software_issuers
from auth_svc.relying_parties import BACKCHANNEL_LOGOUT, BackChannelLogout, RelyingParties
from auth_svc.resources import Resources, shipments
from auth_svc.revocation import Revocation
from auth_svc.revocation.routes import RevocationEndpoint
from auth_svc.seed import Seeding
from auth_svc.settings import Settings
from auth_svc.signin import Browser, SignInPages
from auth_svc.subjects import Subjects
from auth_svc.sweepers import SWEEPERS
from auth_svc.token import AccessTokens, ClientCredentials, PresentedTokens, Refresh, TokenEndpoint, TokenIssuer
from auth_svc.userinfo import UserinfoEndpoint
from auth_svc.users import Accounts, Passwords
from auth_svc.web import Pages, UnderPath, install
from auth_svc.wire import Endpoint, FastLane
from lib_one.bus import Bus
from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.event import Now, event, utc_now
from lib_one.http import AsyncClient, guarded_client
from lib_one.nats import JetStreamBus, NatsConnection, Presence
from lib_one.sql import Outbox, Relay, open_database, upgrade

SERVICE = "auth-svc"
SOURCE = "/auth-svc"


class AuthService:
    """Everything that one auth-svc process has, wired. It is an ASGI application; its lifespan starts and stops it."""

    def __init__(
        self, settings: Settings, *, now: Now = utc_now, bus: Bus | None = None, outside: AsyncClient | None = None
    ) -> None:
        """Migrate the database and put the parts together.

        In tests `bus` takes the place of NATS, and `outside` of the web at addresses that clients gave.

        Raises:
            TrustedIssuersError: a file of trusted issuers is unreadable.
            SecretKeyError: the master secret is missing or unreadable.
            DatabaseUnavailableError: the database is away.
        """
        self.settings = settings
        self.outside = outside or guarded_client(loopback=settings.loopback)
        self.secret_key = secret_key.load(settings.secret_key_file, create=settings.loopback)
        upgrade(settings.database_url, package="auth_svc")
        self.ledger = ledger = Ledger(open_database(settings.database_url), Outbox(source=SOURCE, now=now), now)

        # An ID token is of use as a hint for as long as the sign-in lasts that it tells of.
        last_use = max(settings.access_token_life, settings.session_life)
        self.rotation = KeyRotation(ledger, self.secret_key, last_use=last_use)
        self.keys = KeyRing(ledger, self.rotation)
        self.resources = Resources(ledger, issuer=settings.issuer, default=shipments(settings.resource))
        self.clients = Clients(ledger.database, now, profile=settings.profile)
        self.accounts = Accounts(ledger, self.resources)
        self.passwords = Passwords(ledger.database, workers=settings.password_workers, queue=settings.password_queue)
        client_secrets = self.secret_key.hasher("client secrets")
        self.client_secrets = ClientSecrets(ledger, client_secrets)
        self.registration = ClientRegistration(ledger, self.resources, client_secrets, profile=settings.profile)
        self.deliveries = Deliveries(ledger)
        self.parties = RelyingParties(ledger, self.deliveries, issuer=settings.issuer, life=settings.grant_life)
        self.delivery_worker = DeliveryWorker(
            ledger,
            self.deliveries,
            self.outside,
            {
                BACKCHANNEL_LOGOUT: BackChannelLogout(self.clients, self.keys, issuer=settings.issuer, now=now),
                BACKCHANNEL_NOTIFICATION: BackchannelNotification(self.clients, self.secret_key),
            },
        )
        self.subjects = Subjects(ledger, self.secret_key.hasher("pairwise subjects"))
        self.revocation = Revocation(ledger, self.parties, access_token_life=settings.access_token_life)
        self.seeding = Seeding(
            ledger,
            self.accounts,
            self.registration,
            self.revocation,
            self.resources,
            self.outside,
            self.secret_key.hasher("seed"),
            resource=settings.resource,
        )
        self.issuer = TokenIssuer(
            ledger,
            self.keys,
            self.resources,
            self.parties,
            self.subjects,
            issuer=settings.issuer,
            access_token_life=settings.access_token_life,
            refresh_token_life=settings.refresh_token_life,
            grant_life=settings.grant_life,
        )
        self.tokens = AccessTokens(ledger, self.keys, issuer=settings.issuer)
        self.housekeeping = Housekeeping(
            ledger,
            [self.keys, self.resources],
            [*SWEEPERS, self.rotation.retire_due],
        )

        self._connection: NatsConnection | None = None
        if bus is None:
            self._connection = _connection(settings)
            bus = JetStreamBus(self._connection)
        self.relay = Relay(
            ledger.database,
            bus,
            now=now,
            heartbeat=lambda sent_at: event(RevocationHeartbeat(sent_at=sent_at), source=SOURCE, now=now),
        )

        if settings.client_id_metadata_documents:
            documents = ClientDocuments(ledger, self.outside, self.registration, self.resources, self.revocation)
            self.clients.documents = documents.learn
        self.client_keys = ClientKeys(self.outside, now)
        authentication = ClientAuthentication(
            self.clients,
            client_secrets,
            Assertions(ledger, self.clients, self.client_keys, issuer=settings.issuer),
            now,
        )
        possession = Possession(ledger, self.secret_key, nonces=settings.dpop_nonce)
        trusted = read_trusted_issuers(settings.trusted_issuers_file)
        backchannel = Backchannel(self.resources, life=settings.backchannel_request_life)
        notifications = Notifications(
            self.deliveries,
            self.secret_key,
            self.issuer,
            backchannel,
            ping_life=settings.backchannel_request_life,
            push_life=settings.access_token_life,
        )
        token_endpoint = TokenEndpoint(
            ledger,
            authentication,
            possession,
            self.resources,
            self.issuer,
            [
                AuthorizationCode(self.resources, self.revocation),
                DeviceCode(self.resources, life=settings.device_code_life),
                backchannel,
                Refresh(
                    ledger,
                    self.resources,
                    self.revocation,
                    self.secret_key.hasher("refresh token successors"),
                    life=settings.refresh_token_life,
                ),
                ClientCredentials(),
                TokenExchange(self.resources, self.tokens),
                *([JwtBearer(self.resources, trusted, issuer=settings.issuer)] if trusted else []),
            ],
            uri=f"{settings.issuer}/token",
        )
        reader = RequestReader(
            self.keys,
            self.resources,
            self.subjects,
            RequestObjects(self.client_keys, issuer=settings.issuer, now=now),
            issuer=settings.issuer,
            push_required=settings.require_pushed_authorization_requests,
            now=now,
        )
        presented = PresentedTokens(ledger, self.tokens, possession, self.clients, issuer=settings.issuer)
        everywhere = GlobalTokenRevocation(
            ledger,
            presented,
            self.revocation,
            issuer=settings.issuer,
            uri=f"{settings.issuer}/global-token-revocation",
        )
        userinfo = UserinfoEndpoint(
            ledger, presented, self.clients, self.keys, issuer=settings.issuer, uri=f"{settings.issuer}/userinfo"
        )
        metadata = discovery.metadata(
            settings.issuer,
            grant_types=token_endpoint.grant_types,
            push_required=settings.require_pushed_authorization_requests,
            fapi2=settings.profile == "fapi2",
            certificates=bool(settings.client_certificate_header),
            registering=settings.registration != "closed",
            documents=settings.client_id_metadata_documents,
        )
        statements = SoftwareStatements(
            read_software_issuers(settings.software_issuers_file),
            issuer=settings.issuer,
            required=settings.require_software_statement,
            now=now,
        )
        registering = RegistrationEndpoint(
            ledger,
            self.clients,
            self.registration,
            self.resources,
            self.revocation,
            statements,
            self.outside,
            self.secret_key,
            uri=f"{settings.issuer}/client_registration",
            registering=settings.registration,
        )
        device_authorization = DeviceAuthorization(
            ledger,
            authentication,
            self.resources,
            self.secret_key,
            issuer=settings.issuer,
            life=settings.device_code_life,
        )
        introspection = IntrospectionEndpoint(
            ledger, authentication, self.tokens, self.keys, self.resources, self.subjects, issuer=settings.issuer
        )
        probes = health.endpoints(ledger, self.relay, lambda: self._connection is None or self._connection.connected)
        machine = {
            "/token": Endpoint({"POST": token_endpoint}),
            "/device_authorization": Endpoint({"POST": device_authorization}),
            "/backchannel_authentication": Endpoint(
                {
                    "POST": BackchannelAuthentication(
                        ledger,
                        authentication,
                        self.resources,
                        self.keys,
                        self.subjects,
                        notifications,
                        self.secret_key,
                        issuer=settings.issuer,
                        life=settings.backchannel_request_life,
                    )
                }
            ),
            "/client_registration": registering.endpoint,
            "/par": Endpoint(
                {
                    "POST": PushedRequests(
                        ledger, authentication, possession, reader, self.secret_key, uri=f"{settings.issuer}/par"
                    )
                }
            ),
            "/introspect": Endpoint({"POST": introspection}),
            "/revoke": Endpoint({"POST": RevocationEndpoint(ledger, authentication, self.tokens, self.revocation)}),
            "/global-token-revocation": Endpoint({"POST": everywhere}),
            "/userinfo": Endpoint({"GET": userinfo, "POST": userinfo}),
            **probes,
        }

        pages = Pages(issuer=settings.issuer, csrf_key=self.secret_key.derive("csrf"))
        browser = Browser(ledger, pages, self.secret_key)
        sign_in = SignInPages(
            ledger,
            pages,
            browser,
            self.passwords,
            self.revocation,
            self.secret_key,
            session_life=settings.session_life,
        )
        authorize = CodeFlowPages(
            ledger,
            pages,
            browser,
            self.clients,
            reader,
            self.resources,
            self.keys,
            self.secret_key,
            code_life=settings.code_life,
        )
        devices = DevicePages(ledger, pages, browser, self.clients, self.resources, self.secret_key)
        requests = RequestPages(ledger, pages, browser, self.clients, self.resources, notifications)
        consents = ConsentPages(
            ledger, pages, browser, self.revocation, self.resources, access_token_life=settings.access_token_life
        )
        logout = LogoutPages(
            ledger, pages, browser, self.clients, self.keys, self.parties, self.revocation, self.secret_key
        )
        parts = (sign_in.routes, logout.routes, authorize.routes, devices.routes, requests.routes, consents.routes)
        site = Starlette(routes=list(chain.from_iterable(parts)), lifespan=self.running)
        install(site, pages)
        path = settings.path
        endpoints = {f"{path}{name}": endpoint for name, endpoint in machine.items()}
        # Whoever runs this process asks it for its health at the root, without knowing the issuer's path.
        endpoints |= probes | discovery.endpoints(metadata, self.keys, self.resources, path=path)
        endpoints[f"{path}/openapi.json"] = openapi.endpoint(
            settings.issuer, path=path, grant_types=token_endpoint.grant_types
        )
        self.endpoints = endpoints
        self._application = FastLane(endpoints, UnderPath(path, site) if path else site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await self._application(scope, receive, send)

    @asynccontextmanager
    async def running(self, _site: Starlette | None = None) -> AsyncIterator[None]:
        """Be alive: open the keys, apply the seed, relay events. It is the ASGI lifespan, and what a test enters."""
        await self.keys.reload()
        await self.seeding.apply(self.settings.seed_file)
        await self.resources.reload()
        jobs = (self.relay.run, self.housekeeping.run, self.delivery_worker.run)
        tasks = [asyncio.create_task(job()) for job in jobs]
        if self._connection is not None:
            await self._connection.start()
            presence = Presence(
                self._connection, version=version(SERVICE), description="Authorization server", stats=self._stats
            )
            tasks.append(asyncio.create_task(presence.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.passwords.close()
            if self._connection is not None:
                await self._connection.close()
            await self.outside.aclose()
            await self.ledger.database.close()

    def _stats(self) -> dict[str, object]:
        """For operators who ask over the bus."""
        return {"events_published": self.relay.published, "events_refused": self.relay.refused}


def _connection(settings: Settings) -> NatsConnection:
    file = settings.nats_nkey_file
    return NatsConnection(
        settings.nats_url, name=SERVICE, nkey_seed=None if file is None else file.read_text("ascii").strip()
    )


def create_app(
    settings: Settings, *, now: Now = utc_now, bus: Bus | None = None, outside: AsyncClient | None = None
) -> AuthService:
    """Return the whole of auth-svc as an ASGI application."""
    return AuthService(settings, now=now, bus=bus, outside=outside)
