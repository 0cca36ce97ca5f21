"""Let `python -m specter_core` be the `specter` command, where only an interpreter is known."""

from specter_core.cli import main

main()
