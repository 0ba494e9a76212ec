"""A terminal GUI: sign in and watch shipments live."""
