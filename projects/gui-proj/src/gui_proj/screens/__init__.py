"""The screens: sign-in, the board, one shipment, revocation, the keys."""
