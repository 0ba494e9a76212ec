"""The operator's endpoints: JSON under /admin/…, for access tokens with the scope `admin`.

revocations   end what was issued, and see which services refuse it
"""

from auth_svc.admin.revocations import Revocable, RevocationReport, Revocations

__all__ = ["Revocable", "RevocationReport", "Revocations"]
