"""Run app-svc: the same as the script `app-svc`."""

from app_svc.__main__ import main

main()
