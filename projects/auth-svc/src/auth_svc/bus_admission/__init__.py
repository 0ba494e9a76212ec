"""The door of the bus: whoever connects to NATS shows an access token, and may do there what its scope says.

`rights` is the table of scope and subjects, `flow` the rule (pure), `admission` answers the server's question about a
connection, `guests` ends the connections of tokens that were revoked, `door` is both together with their keys.
"""

from auth_svc.bus_admission.door import BusDoor, BusDoorError
from auth_svc.bus_admission.rights import RIGHTS, Right

__all__ = ["RIGHTS", "BusDoor", "BusDoorError", "Right"]
