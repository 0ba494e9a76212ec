"""What is made first and shared: everything of auth-svc that has no address of its own."""

from auth_svc import secret_key
from auth_svc.backchannel_flow import (
    BACKCHANNEL_NOTIFICATION,
    Backchannel,
    BackchannelNotification,
    Notifications,
)
from auth_svc.bus_admission import BusDoor
from auth_svc.clients import (
    Assertions,
    ClientAuthentication,
    ClientKeys,
    ClientRegistration,
    Clients,
    ClientSecrets,
    tls_methods,
)
from auth_svc.code_flow import RequestObjects, RequestReader
from auth_svc.db import Ledger
from auth_svc.deliveries import Deliveries, DeliveryWorker
from auth_svc.housekeeping import Housekeeping
from auth_svc.keys import KeyRing, KeyRotation
from auth_svc.proofs import Possession
from auth_svc.registration import ClientDocuments
from auth_svc.relying_parties import BACKCHANNEL_LOGOUT, BackChannelLogout, RelyingParties
from auth_svc.resources import Resources, shipments
from auth_svc.revocation import Revocation
from auth_svc.seed import Seeding
from auth_svc.settings import Settings
from auth_svc.signals import (
    LONGEST_POLL,
    Bell,
    FetchWorker,
    Intake,
    PushWorker,
    Recorder,
    Streams,
    read_upstreams,
)
from auth_svc.subjects import Subjects
from auth_svc.sweepers import SWEEPERS
from auth_svc.token import AccessTokens, PresentedTokens, TokenIssuer
from auth_svc.users import Accounts, Passwords
from auth_svc.webhooks import FACTS
from lib_one.bus import Bus
from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.event import Now, event
from lib_one.http import AsyncClient, guarded_client
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.observe import Traffic
from lib_one.sql import Outbox, Relay, open_database, upgrade
from lib_one.webhooks import TIMEOUT, WebhookRoom

SERVICE = "auth-svc"
SOURCE = "/auth-svc"
_LARGEST_POLL = 1024 * 1024
"""Bytes of the signals that another issuer may give at once."""


class Parts:
    """The parts of one auth-svc process, wired with each other."""

    def __init__(self, settings: Settings, *, now: Now, bus: Bus | None, outside: AsyncClient | None) -> None:
        """Migrate the database and put the parts together.

        Raises:
            TrustedIssuersError: the file of the issuers whose signals are listened to is unreadable.
            SecretKeyError: the master secret is missing or unreadable.
            BusDoorError: a key of the bus's door is.
            DatabaseUnavailableError: the database is away.
        """
        self.settings = settings
        self.traffic = Traffic()
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
        self.tls_methods = tls_methods(
            seen=bool(settings.client_certificate_header), verified=bool(settings.client_certificate_verified_header)
        )
        client_secrets = self.secret_key.hasher("client secrets")
        self.client_secrets = ClientSecrets(ledger, client_secrets)
        self.registration = ClientRegistration(
            ledger,
            self.resources,
            client_secrets,
            profile=settings.profile,
            tls_methods=self.tls_methods,
        )
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
        self.bell = Bell(ledger.database)
        self.streams = Streams(ledger, self.bell, issuer=settings.issuer)
        Recorder(ledger, self.subjects, self.bell, issuer=settings.issuer)
        self.push_worker = PushWorker(ledger, self.clients, self.keys, self.secret_key, self.outside, self.bell)
        self.unhurried = outside or guarded_client(loopback=settings.loopback, timeout=TIMEOUT)
        self.webhooks = WebhookRoom(
            ledger.database,
            ledger.outbox,
            self.secret_key,
            self.unhurried,
            service=SERVICE,
            facts=FACTS,
            loopback=settings.loopback,
            now=now,
        )
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
        self.possession = Possession(
            ledger,
            self.secret_key,
            nonces=settings.dpop_nonce,
            issuer=settings.issuer,
            mtls_url=settings.mtls_url,
        )
        self.housekeeping = Housekeeping(
            ledger,
            [self.keys, self.resources, self.webhooks],
            SWEEPERS,
            [self.rotation.retire_due, self.streams.disable_clogged],
        )

        self.connection: NatsConnection | None = None
        self.jetstream: JetStreamBus | None = None
        if bus is None:
            self.connection = connection_to_bus(settings)
            bus = self.jetstream = JetStreamBus(self.connection, replicas=settings.nats_replicas)
        self.door: BusDoor | None = None
        if self.connection is not None and settings.nats_door_keys is not None:
            self.door = BusDoor(
                ledger,
                self.tokens,
                self.possession,
                self.connection,
                keys=settings.nats_door_keys,
                issuer=settings.issuer,
                resource=settings.resource,
                addresses=settings.nats_door_addresses.split(),
            )
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
        self.intake = Intake(ledger, self.client_keys, self.revocation, read_upstreams(settings.upstream_issuers_file))
        self.patient = outside or guarded_client(
            loopback=settings.loopback, timeout=LONGEST_POLL.total_seconds() + 5, size_limit=_LARGEST_POLL
        )
        self.fetch_worker = FetchWorker(ledger, self.intake, self.patient)
        self.authentication = ClientAuthentication(
            self.clients,
            client_secrets,
            Assertions(ledger, self.clients, self.client_keys, issuer=settings.issuer),
            self.client_keys,
            now,
        )
        self.backchannel = Backchannel(self.resources, life=settings.backchannel_request_life)
        self.notifications = Notifications(
            self.deliveries,
            self.secret_key,
            self.issuer,
            self.backchannel,
            ping_life=settings.backchannel_request_life,
            push_life=settings.access_token_life,
        )
        self.reader = RequestReader(
            self.keys,
            self.resources,
            self.subjects,
            RequestObjects(self.client_keys, issuer=settings.issuer, now=now),
            issuer=settings.issuer,
            push_required=settings.require_pushed_authorization_requests,
            accounts_open=settings.self_registration,
            now=now,
        )
        self.presented = PresentedTokens(ledger, self.tokens, self.possession, self.clients, issuer=settings.issuer)


def connection_to_bus(settings: Settings) -> NatsConnection:
    """The connection of auth-svc, not started yet.

    Raises:
        OSError: a file that the settings name cannot be read.
    """
    file = settings.nats_nkey_file
    return NatsConnection(
        settings.nats_url,
        name=SERVICE,
        nkey_seed=None if file is None else file.read_text("ascii").strip(),
        ca_file=settings.nats_ca_file,
    )
