"""The operator's endpoints: JSON under /admin/…, for access tokens with the scope `admin`.

revocations   end what was issued, and see which services refuse it
status        how every process on the bus stands
"""

from auth_svc.admin.revocations import Revocable, RevocationReport, Revocations, UnknownIdentifier
from auth_svc.admin.status import StatusEndpoint, SystemStatus

__all__ = ["Revocable", "RevocationReport", "Revocations", "StatusEndpoint", "SystemStatus", "UnknownIdentifier"]
