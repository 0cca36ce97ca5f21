"""Third parties: checks of several steps, credentials, status pages; what blackbox_exporter probes."""
