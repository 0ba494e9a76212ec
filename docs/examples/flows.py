"""auth-svc for trying the flows: a person, a client for each page, and another issuer that is trusted.

uv run docs/examples/flows.py
"""

import argparse
import json
import os
import sys
from pathlib import Path

from joserfc import jwk

SECRET = "try-the-flows-on-this-machine-only"
CLARA = {
    "username": "clara",
    "name": "Clara Clerk",
    "email": "clara@example.com",
    "roles": ["clerk"],
    "password": "correct horse battery",
}


def seed(api: str, listener: str) -> dict[str, object]:
    """The person, and the clients."""
    clients = [
        {"client_id": "reports", "client_name": "Reports", "resource": api},
        {"client_id": "robot", "client_name": "Robot", "grant_types": ["client_credentials"]},
        {
            "client_id": "shop",
            "client_name": "Web shop",
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile offline_access shipments:read shipments:write",
            "redirect_uris": ["http://127.0.0.1:5000/callback"],
            "post_logout_redirect_uris": ["http://127.0.0.1:5000/bye"],
            "backchannel_logout_uri": listener,
        },
        {
            "client_id": "gateway",
            "client_name": "Gateway",
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "scope": "shipments:read",
            "resource": api,
        },
        {
            "client_id": "intranet",
            "client_name": "Intranet",
            "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        },
        {
            "client_id": "till",
            "client_name": "Till at the counter",
            "grant_types": ["urn:openid:params:grant-type:ciba"],
            "scope": "openid shipments:read",
        },
        {
            "client_id": "vault",
            "client_name": "Vault",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "vault.example",
            "tls_client_certificate_bound_access_tokens": True,
            "secret": None,
        },
        {
            "client_id": "guardian",
            "client_name": "Guardian",
            "grant_types": ["client_credentials"],
            "scope": "global_token_revocation",
        },
        {
            "client_id": "siem",
            "client_name": "Security monitoring",
            "grant_types": ["client_credentials"],
            "scope": "ssf.read ssf.manage",
        },
    ]
    usual = {"secret": SECRET, "scope": "shipments:read shipments:write"}
    return {"users": [CLARA], "clients": [usual | client for client in clients]}


def prepare(folder: Path, port: int, api: str, listener: str) -> dict[str, str]:
    """Write what auth-svc reads, and give its settings."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "seed.json").write_text(json.dumps(seed(api, listener)))
    key = jwk.ECKey.generate_key("P-256", {"kid": "1"})
    (folder / "partner.json").write_text(json.dumps(key.as_dict(private=True)))
    partner = {
        "issuer": "https://login.example",
        "jwks": {"keys": [key.as_dict(private=False)]},
        "clients": ["intranet"],
        "scope": "shipments:read",
    }
    (folder / "issuers.json").write_text(json.dumps([partner]))
    return {
        "AUTH_SVC_ISSUER": f"http://127.0.0.1:{port}",
        "AUTH_SVC_PORT": str(port),
        "AUTH_SVC_RESOURCE": api,
        "AUTH_SVC_DATABASE_URL": f"sqlite:///{folder.resolve() / 'auth.db'}",
        "AUTH_SVC_SECRET_KEY_FILE": str(folder / "secret.key"),
        "AUTH_SVC_SEED_FILE": str(folder / "seed.json"),
        "AUTH_SVC_TRUSTED_ISSUERS_FILE": str(folder / "issuers.json"),
        "AUTH_SVC_REGISTRATION": "open",
        # For the page about certificates: whoever is on this machine is the proxy.
        "AUTH_SVC_CLIENT_CERTIFICATE_HEADER": "Client-Cert",
        "AUTH_SVC_CLIENT_CERTIFICATE_VERIFIED_HEADER": "Client-Verify",
        "AUTH_SVC_TRUSTED_PROXIES": "127.0.0.1",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path(".data/flows"))
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--api", default="http://127.0.0.1:8401", help="the address of careful_api.py")
    parser.add_argument("--listener", default="http://127.0.0.1:5001/", help="the address of hear_logout.py")
    options = parser.parse_args()
    environment = os.environ | prepare(options.folder, options.port, options.api, options.listener)
    os.execve(sys.executable, [sys.executable, "-m", "auth_svc", "serve"], environment)
