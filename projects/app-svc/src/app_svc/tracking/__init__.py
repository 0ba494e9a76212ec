"""Tracking: what happened to a shipment, in order, and live.

`entry` turns a fact into a line of the timeline (pure), `projector` consumes the SHIPMENTS stream and writes each fact
once, `store` keeps the lines under one feed sequence, `feed` tells every open stream of new ones, `stream` is one
client's server-sent events, `announcer` tells the same on the bus, `routes` is HTTP. How a shipment looks is asked of
the caller's `Shipments`.
"""
