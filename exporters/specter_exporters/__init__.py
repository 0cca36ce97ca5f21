"""Exporters that run inside or beside a service."""
