"""Tokens for services: OAuth client flows, a token store, and a guard that checks access tokens locally."""
