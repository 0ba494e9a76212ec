"""What is known of a client: the metadata of RFC 7591 section 2 and its extensions, under their registered names."""

from typing import Any, Literal

import msgspec

from auth_svc.clients.redirects import redirect_uri_matches
from auth_svc.keys import DEFAULT_ALGORITHM

type Profile = Literal["oauth21", "fapi2"]


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The metadata of a client. What is not in an RFC or an OpenID specification stands at the end."""

    client_name: str = ""
    """What people see on the consent page."""
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None
    software_statement: str | None = None
    """What a third party signed about it, as it came; checked when it registered."""
    application_type: Literal["web", "native"] = "web"
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str = ""
    """All that it may ask for, separated by spaces."""

    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False

    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    authorization_signed_response_alg: str = DEFAULT_ALGORITHM
    authorization_details_types: tuple[str, ...] = ()
    default_max_age: int | None = None
    """Seconds."""
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    initiate_login_uri: str | None = None

    id_token_signed_response_alg: str = DEFAULT_ALGORITHM
    userinfo_signed_response_alg: str | None = None
    """None: plain JSON."""
    introspection_signed_response_alg: str = DEFAULT_ALGORITHM
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None

    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False

    backchannel_token_delivery_mode: Literal["poll", "ping", "push"] | None = None
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    backchannel_user_code_parameter: bool = False

    resource: str | None = None
    """The resource server that it stands for: whose tokens it may introspect."""
    profile: Profile | None = None
    """The rules that it must keep; None: those of the server, which `Clients.find` fills in."""
    may_act: str | None = None
    """The client that may act for people by the tokens that this one gets for them: their claim `may_act`."""
    may_impersonate: bool = False
    """Whether what it gets by token exchange may hide that it acts for somebody."""
    rotate_refresh_tokens: bool | None = None
    """Whether each use of a refresh token gives another; None: unless the rules of FAPI 2.0 hold for it."""
    refresh_grace: int = 0
    """Seconds in which a refresh token that was just rotated gives the same successor again; at most 60."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """`scope`, taken apart."""
        return tuple(self.scope.split())

    @property
    def confidential(self) -> bool:
        """Whether it proves who it is (RFC 6749 section 2.1)."""
        return self.token_endpoint_auth_method != "none"

    @property
    def fapi2(self) -> bool:
        """Whether the rules of the FAPI 2.0 Security Profile hold for it."""
        return self.profile == "fapi2"

    @property
    def rotates(self) -> bool:
        """Whether its refresh tokens rotate.

        Those of public clients do, whatever else is said: nothing else shows that a copy is about (OAuth 2.1 section
        4.3.1). FAPI 2.0 section 5.3.2.1 forbids it as a routine.
        """
        if not self.confidential:
            return True
        return not self.fapi2 if self.rotate_refresh_tokens is None else self.rotate_refresh_tokens

    def accepts_redirect(self, uri: str) -> bool:
        """Whether `uri` is registered: exact, but for the port of a loopback address."""
        return any(redirect_uri_matches(registered, uri) for registered in self.redirect_uris)
