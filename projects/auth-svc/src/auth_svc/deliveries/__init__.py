"""Deliveries: HTTP messages to clients that must arrive, though the client or this process may be away just then.

    flow      what is sent
    store     the table of what waits
    posting   `Deliveries.post`: the verb, part of the unit of work that makes the thing true which is to be told
    worker    sends what is due: a courier (`lib_one.courier`)

A kind of message has a `Compose` in the worker's table: it makes the message from the payload at each attempt, so that
a signature can be fresh and an address the one that is registered now. Delivery is at least once.
"""

from auth_svc.deliveries.flow import Compose, Message
from auth_svc.deliveries.posting import Deliveries
from auth_svc.deliveries.worker import DeliveryWorker

__all__ = ["Compose", "Deliveries", "DeliveryWorker", "Message"]
