"""A command line: sign in, fetch tokens, work with shipments, see how every service is."""
