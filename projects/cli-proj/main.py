"""Run cli-proj: the same as the script `cli-proj`."""

from cli_proj.__main__ import main

main()
