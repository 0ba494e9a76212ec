"""The seed file: resources, users and clients that exist from the start, so that a fresh installation works at once.

    {"users":   [{"username": "erin", "name": "Erin", "email": "erin@example.com",
                  "roles": ["employee"], "password": "…"}],
     "clients": [{"client_id": "simulator", "name": "Simulator", "secret": "…",
                  "grant_types": ["client_credentials"], "scope": "shipments:read", "redirect_uris": []}],
     "resources": [{"identifier": "https://ledger.example", "name": "Ledger",
                    "scopes": [{"name": "ledger:read", "title": "Read the ledger", "text": "Every booking"}],
                    "roles": {"clerk": ["ledger:read"]}}]}

A file is applied once for each content: what an operator changed later stays, until the file itself changes.
"""

from auth_svc.seed.flow import Seed, SeedError, Seeding

__all__ = ["Seed", "SeedError", "Seeding"]
