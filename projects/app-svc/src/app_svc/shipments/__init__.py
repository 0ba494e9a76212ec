"""Shipments: register, scan, find.

`shipment` is the rule (pure: commands in, facts out), `store` keeps the state and records the facts, `batch` takes
many at once, `listing` finds, `view` is what clients see, `routes` is HTTP. The timeline is not here:
`app_svc.tracking` builds it from the facts.
"""

from app_svc.shipments.views import ShipmentViews

__all__ = ["ShipmentViews"]
