"""Run auth-svc: the same as the script `auth-svc`."""

from auth_svc.__main__ import main

main()
