"""The way to the bus: one connection of app-svc, as its settings say."""

from app_svc.settings import Settings, secret
from lib_one.nats import NatsConnection

SERVICE = "app-svc"
"""Who we are there: it decides what we may say and hear, and which streams are ours."""


def connection_to_bus(settings: Settings) -> NatsConnection:
    """A connection, not started yet.

    Raises:
        OSError: a file that the settings name cannot be read.
    """
    seed = secret(settings.nats_nkey_file)
    return NatsConnection(settings.nats_url, name=SERVICE, nkey_seed=seed, ca_file=settings.nats_ca_file)
