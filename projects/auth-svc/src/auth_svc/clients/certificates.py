"""Clients that prove who they are by their TLS certificate (RFC 8705 section 2)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from auth_svc.keys import PublicKey
from auth_svc.keys.jose import encode64
from auth_svc.wire import Request
from lib_one.client_certificate import client_certificate

TLS_CLIENT_AUTH = "tls_client_auth"
SELF_SIGNED = "self_signed_tls_client_auth"
TLS_METHODS = (TLS_CLIENT_AUTH, SELF_SIGNED)
_UNREADABLE = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)
"""How the names in a certificate can be missing or odd: they are read only when they are asked for."""


def tls_methods(*, seen: bool, verified: bool) -> tuple[str, ...]:
    """The methods that can work here: certificates must be seen, and for names somebody must have verified them."""
    if not seen:
        return ()
    return TLS_METHODS if verified else (SELF_SIGNED,)


class ShownCertificate(NamedTuple):
    """The certificate of the connection that a request came by."""

    certificate: x509.Certificate
    verified: bool
    """Whether an authority that is trusted issued it."""
    x5t_s256: str
    """What tokens are bound to (section 3.1): the base64url of the SHA-256 of its DER."""


def shown_certificate(request: Request) -> ShownCertificate | None:
    """The certificate that came with a request, or None. It costs next to nothing where there is none."""
    if not request.scope.get("extensions"):
        return None
    found = client_certificate(request.scope)
    if found is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(found.der)
    except ValueError:
        return None
    return ShownCertificate(certificate, found.verified, encode64(hashlib.sha256(found.der).digest()).decode())


def is_valid(shown: ShownCertificate, *, now: datetime) -> bool:
    """Whether it is good at this time."""
    return shown.certificate.not_valid_before_utc <= now <= shown.certificate.not_valid_after_utc


def has_registered_name(client: ClientMetadata, shown: ShownCertificate) -> bool:
    """Section 2.1: an authority vouches for one name of one kind, compared whole."""
    try:
        return shown.verified and _has_name(client, shown.certificate)
    except _UNREADABLE:
        return False


def key_of(shown: ShownCertificate) -> PublicKey | None:
    """The key of the certificate, for section 2.2: the client vouches for it by having registered its key.

    None if it is of a kind that nobody can register here.
    """
    try:
        key = shown.certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # it is read only now
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key if isinstance(key.curve, ec.SECP256R1) else None
    return key if isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey) else None


def name_problems(client: ClientMetadata) -> Iterable[Problem]:
    """What is wrong with the registration of a client that is to prove who it is by a certificate."""
    if client.token_endpoint_auth_method == SELF_SIGNED:
        if client.jwks is None and client.jwks_uri is None:
            yield Problem("jwks", f"{SELF_SIGNED} needs the key of the certificate in jwks, or at jwks_uri")
    elif client.token_endpoint_auth_method == TLS_CLIENT_AUTH:
        if sum(name is not None for name in _names(client)) != 1:
            text = f"{TLS_CLIENT_AUTH} needs exactly one of the tls_client_auth_… names (RFC 8705 section 2.1.2)"
            yield Problem("token_endpoint_auth_method", text)
        elif client.tls_client_auth_subject_dn is not None:
            try:
                x509.Name.from_rfc4514_string(client.tls_client_auth_subject_dn)
            except ValueError:
                text = "tls_client_auth_subject_dn is not a distinguished name (RFC 4514)"
                yield Problem("tls_client_auth_subject_dn", text)


def _names(client: ClientMetadata) -> tuple[str | None, ...]:
    return (
        client.tls_client_auth_subject_dn,
        client.tls_client_auth_san_dns,
        client.tls_client_auth_san_uri,
        client.tls_client_auth_san_ip,
        client.tls_client_auth_san_email,
    )


def _has_name(client: ClientMetadata, certificate: x509.Certificate) -> bool:
    if client.tls_client_auth_subject_dn is not None:
        return certificate.subject == x509.Name.from_rfc4514_string(client.tls_client_auth_subject_dn)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if client.tls_client_auth_san_dns is not None:
        return client.tls_client_auth_san_dns.lower() in {
            name.lower() for name in names.get_values_for_type(x509.DNSName)
        }
    if client.tls_client_auth_san_uri is not None:
        return client.tls_client_auth_san_uri in names.get_values_for_type(x509.UniformResourceIdentifier)
    if client.tls_client_auth_san_ip is not None:
        return client.tls_client_auth_san_ip in {str(name) for name in names.get_values_for_type(x509.IPAddress)}
    return client.tls_client_auth_san_email in names.get_values_for_type(x509.RFC822Name)
