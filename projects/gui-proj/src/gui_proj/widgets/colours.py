"""The colours of words, as names of the theme's own: readable on dark and on light."""

MUTED = "$foreground 62%"

STATUS = {"registered": "$text-secondary", "in_transit": "$text-primary", "delivered": "$text-success"}
"""By a shipment's status."""

KIND = {"registered": "$text-secondary", "scanned": "$text-primary", "delivered": "$text-success"}
"""By what happened."""

TONE = {"plain": "$foreground", "muted": MUTED, "warning": "$text-warning", "bad": "$text-error"}
"""By how loudly a promise is to be told (`gui_proj.shipments.Tone`)."""
