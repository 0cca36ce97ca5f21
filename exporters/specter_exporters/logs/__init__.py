"""Turn log lines into metrics: `specter exporter logs`."""
