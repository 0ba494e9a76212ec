"""Run gui-proj: the same as the script `gui-proj`."""

from gui_proj.__main__ import main

main()
