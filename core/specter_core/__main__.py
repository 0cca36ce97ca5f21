"""Let `python -m specter_core` be the `specter` command, for launchers that know an interpreter and no PATH."""

from specter_core.cli import main

main()
