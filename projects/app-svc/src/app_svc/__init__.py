"""AppService: shipment tracking, the resource server that gets work done.

Where is what:

    POST /shipments, /shipments/batch, /shipments/{id}/scans     app_svc.shipments   state and event in one unit of work
    GET  /shipments, /shipments/summary, /shipments/{id}         app_svc.shipments
    GET  /shipments/{id}/timeline, /shipments/live               app_svc.tracking    built from the events, once each
    GET, POST, DELETE /admin/dead/…                              app_svc.dead_letters
    GET, POST, PATCH, DELETE /admin/webhooks…                    app_svc.webhooks    signed messages to systems outside
    GET  /health, /ready                                         app_svc.app         the composition root
    app-svc serve | work | simulate | migrate                    app_svc.__main__
    app-svc dead | consumers | outbox                            app_svc.commands    for operators
    demo traffic over real places                                app_svc.simulator   a client like any other

Tokens are checked by `lib_two.guard`; facts travel by `lib_one.sql.Outbox` and `lib_one.nats`. Nothing is published
from a handler: a unit of work records events beside the state, and the relay publishes them.
"""
