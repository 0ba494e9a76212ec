"""The fast lane: every machine endpoint of auth-svc, by path."""

from auth_svc import discovery, health, metrics, openapi, signals
from auth_svc.admin import Revocations, StatusEndpoint
from auth_svc.app.parts import Parts
from auth_svc.backchannel_flow import BackchannelAuthentication
from auth_svc.code_flow import AuthorizationCode, PushedRequests
from auth_svc.device_flow import DeviceAuthorization, DeviceCode
from auth_svc.exchange import TokenExchange
from auth_svc.introspection import IntrospectionEndpoint
from auth_svc.jwt_bearer import JwtBearer, read_trusted_issuers
from auth_svc.logout import GlobalTokenRevocation
from auth_svc.registration import RegistrationEndpoint, SoftwareStatements, read_software_issuers
from auth_svc.revocation.routes import RevocationEndpoint
from auth_svc.token import ClientCredentials, Refresh, TokenEndpoint
from auth_svc.userinfo import UserinfoEndpoint
from auth_svc.webhooks import WebhookEndpoints
from auth_svc.wire import Endpoint
from lib_one.nats import Propagation


def machine_endpoints(parts: Parts) -> dict[str, Endpoint]:
    """Make the endpoints.

    Raises:
        TrustedIssuersError: a file of trusted issuers is unreadable.
    """
    settings = parts.settings
    trusted = read_trusted_issuers(settings.trusted_issuers_file)
    token_endpoint = TokenEndpoint(
        parts.ledger,
        parts.authentication,
        parts.possession,
        parts.resources,
        parts.issuer,
        [
            AuthorizationCode(parts.resources, parts.revocation),
            DeviceCode(parts.resources, life=settings.device_code_life),
            parts.backchannel,
            Refresh(
                parts.ledger,
                parts.resources,
                parts.revocation,
                parts.secret_key.hasher("refresh token successors"),
                life=settings.refresh_token_life,
            ),
            ClientCredentials(parts.resources),
            TokenExchange(parts.resources, parts.tokens),
            *([JwtBearer(parts.resources, trusted, issuer=settings.issuer)] if trusted else []),
        ],
        uri=f"{settings.issuer}/token",
    )
    everywhere = GlobalTokenRevocation(
        parts.ledger,
        parts.presented,
        parts.revocation,
        issuer=settings.issuer,
        uri=f"{settings.issuer}/global-token-revocation",
    )
    userinfo = UserinfoEndpoint(
        parts.ledger,
        parts.presented,
        parts.clients,
        parts.keys,
        issuer=settings.issuer,
        uri=f"{settings.issuer}/userinfo",
    )
    metadata = discovery.metadata(
        settings.issuer,
        grant_types=token_endpoint.grant_types,
        push_required=settings.require_pushed_authorization_requests,
        fapi2=settings.profile == "fapi2",
        tls_methods=parts.tls_methods,
        mtls_url=settings.mtls_url,
        registering=settings.registration != "closed",
        documents=settings.client_id_metadata_documents,
        accounts_open=settings.self_registration,
    )
    statements = SoftwareStatements(
        read_software_issuers(settings.software_issuers_file),
        issuer=settings.issuer,
        required=settings.require_software_statement,
        now=parts.ledger.now,
    )
    registering = RegistrationEndpoint(
        parts.ledger,
        parts.clients,
        parts.registration,
        parts.resources,
        parts.revocation,
        statements,
        parts.outside,
        parts.secret_key,
        uri=f"{settings.issuer}/client_registration",
        registering=settings.registration,
    )
    device_authorization = DeviceAuthorization(
        parts.ledger,
        parts.authentication,
        parts.resources,
        parts.secret_key,
        issuer=settings.issuer,
        life=settings.device_code_life,
    )
    introspection = IntrospectionEndpoint(
        parts.ledger,
        parts.authentication,
        parts.tokens,
        parts.keys,
        parts.resources,
        parts.subjects,
        issuer=settings.issuer,
    )
    probes = health.endpoints(
        parts.ledger,
        parts.relay,
        lambda: parts.connection is None or parts.connection.connected,
        settings.nats_door_addresses.split(),
    )
    machine = {
        "/token": Endpoint({"POST": token_endpoint}),
        "/device_authorization": Endpoint({"POST": device_authorization}),
        "/backchannel_authentication": Endpoint(
            {
                "POST": BackchannelAuthentication(
                    parts.ledger,
                    parts.authentication,
                    parts.resources,
                    parts.keys,
                    parts.subjects,
                    parts.notifications,
                    parts.secret_key,
                    issuer=settings.issuer,
                    life=settings.backchannel_request_life,
                )
            }
        ),
        "/client_registration": registering.endpoint,
        "/par": Endpoint(
            {
                "POST": PushedRequests(
                    parts.ledger,
                    parts.authentication,
                    parts.possession,
                    parts.reader,
                    parts.secret_key,
                    uri=f"{settings.issuer}/par",
                )
            }
        ),
        "/introspect": Endpoint({"POST": introspection}),
        "/revoke": Endpoint(
            {"POST": RevocationEndpoint(parts.ledger, parts.authentication, parts.tokens, parts.revocation)}
        ),
        "/global-token-revocation": Endpoint({"POST": everywhere}),
        "/admin/revocations": Endpoint(
            {
                "POST": Revocations(
                    parts.ledger,
                    parts.presented,
                    parts.revocation,
                    None if parts.connection is None else Propagation(parts.connection),
                    parts.clients,
                    settings,
                )
            }
        ),
        "/admin/status": Endpoint({"GET": StatusEndpoint(parts.presented, parts.connection, settings)}),
        **WebhookEndpoints(parts.presented, parts.webhooks.desk, issuer=settings.issuer).endpoints,
        "/userinfo": Endpoint({"GET": userinfo, "POST": userinfo}),
        **_signals(parts),
        **probes,
    }
    path = settings.path
    endpoints = {f"{path}{name}": endpoint for name, endpoint in machine.items()}
    # Whoever runs this process asks it for its health at the root, without knowing the issuer's path.
    if settings.shows_metrics:
        numbers = metrics.metrics(
            parts.ledger, parts.relay, parts.traffic, parts.passwords, parts.webhooks, parts.jetstream
        )
        probes["/metrics"] = metrics.endpoint(numbers)
    endpoints |= probes | discovery.endpoints(metadata, parts.keys, parts.resources, path=path)
    endpoints[f"/.well-known/ssf-configuration{path}"] = signals.configuration(settings.issuer)
    endpoints[f"{path}/openapi.json"] = openapi.endpoint(
        settings.issuer, path=path, grant_types=token_endpoint.grant_types, metrics=settings.shows_metrics
    )
    return endpoints


def _signals(parts: Parts) -> dict[str, Endpoint]:
    settings = parts.settings
    issuer = settings.issuer
    receivers = signals.Receivers(parts.presented, parts.clients)
    describing = signals.Describing(parts.secret_key, issuer=issuer)
    management = signals.Management(parts.ledger, receivers, parts.streams, describing, parts.subjects, issuer=issuer)
    poll = signals.PollEndpoint(
        parts.ledger,
        receivers,
        parts.streams,
        parts.keys,
        parts.bell,
        wait=settings.signal_poll_wait,
        uri=f"{issuer}/ssf/poll",
    )
    return {
        **management.endpoints,
        "/ssf/poll": Endpoint({"POST": poll}),
        "/ssf/receive": Endpoint({"POST": signals.SignalReceiver(parts.intake)}),
    }
