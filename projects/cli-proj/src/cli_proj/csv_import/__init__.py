"""`shipments import`: any CSV file becomes shipments, by way of a mapping in TOML.

mapping (what the columns mean) → lines (the file, line by line) → plan (one shipment per reference) → send (to app-svc)
"""
