"""The subcommands of `specter demo`, one module each."""
