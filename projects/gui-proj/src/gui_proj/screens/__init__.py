"""The screens: sign-in, the board, one shipment, the keys."""
