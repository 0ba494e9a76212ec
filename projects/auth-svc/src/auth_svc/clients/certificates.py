"""Clients that prove who they are by their TLS certificate (RFC 8705 section 2)."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth_svc.clients.client_keys import usable_keys
from auth_svc.clients.metadata import ClientMetadata
from auth_svc.keys import thumbprint
from auth_svc.keys.jose import encode64
from auth_svc.wire import Request
from lib_one.client_certificate import client_certificate

TLS_CLIENT_AUTH = "tls_client_auth"
SELF_SIGNED = "self_signed_tls_client_auth"
TLS_METHODS = (TLS_CLIENT_AUTH, SELF_SIGNED)


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


def is_client(client: ClientMetadata, shown: ShownCertificate, *, now: datetime) -> bool:
    """Whether the certificate is the client's, as it is registered."""
    certificate = shown.certificate
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    if client.token_endpoint_auth_method == SELF_SIGNED:
        return _has_registered_key(client, certificate)
    return shown.verified and _has_registered_name(client, certificate)


def name_problems(client: ClientMetadata) -> list[str]:
    """What is wrong with the registration of a client that is to prove who it is by a certificate."""
    if client.token_endpoint_auth_method == SELF_SIGNED:
        return [] if client.jwks is not None else [f"{SELF_SIGNED} needs the key of the certificate in jwks"]
    if client.token_endpoint_auth_method != TLS_CLIENT_AUTH:
        return []
    if sum(name is not None for name in _names(client)) != 1:
        return [f"{TLS_CLIENT_AUTH} needs exactly one of the tls_client_auth_… names (RFC 8705 section 2.1.2)"]
    if client.tls_client_auth_subject_dn is not None:
        try:
            x509.Name.from_rfc4514_string(client.tls_client_auth_subject_dn)
        except ValueError:
            return ["tls_client_auth_subject_dn is not a distinguished name (RFC 4514)"]
    return []


def _names(client: ClientMetadata) -> tuple[str | None, ...]:
    return (
        client.tls_client_auth_subject_dn,
        client.tls_client_auth_san_dns,
        client.tls_client_auth_san_uri,
        client.tls_client_auth_san_ip,
        client.tls_client_auth_san_email,
    )


def _has_registered_name(client: ClientMetadata, certificate: x509.Certificate) -> bool:
    """Section 2.1: one name of one kind, compared whole."""
    if client.tls_client_auth_subject_dn is not None:
        return certificate.subject == x509.Name.from_rfc4514_string(client.tls_client_auth_subject_dn)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    if client.tls_client_auth_san_dns is not None:
        return client.tls_client_auth_san_dns.lower() in {
            name.lower() for name in names.get_values_for_type(x509.DNSName)
        }
    if client.tls_client_auth_san_uri is not None:
        return client.tls_client_auth_san_uri in names.get_values_for_type(x509.UniformResourceIdentifier)
    if client.tls_client_auth_san_ip is not None:
        return client.tls_client_auth_san_ip in {str(name) for name in names.get_values_for_type(x509.IPAddress)}
    return client.tls_client_auth_san_email in names.get_values_for_type(x509.RFC822Name)


def _has_registered_key(client: ClientMetadata, certificate: x509.Certificate) -> bool:
    """Section 2.2: the client vouches for the certificate by having registered its key."""
    key = certificate.public_key()
    if client.jwks is None or not isinstance(
        key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    ):
        return False
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, ec.SECP256R1):
        return False
    return thumbprint(key) in {thumbprint(entry.key) for entry in usable_keys(client.jwks)}
