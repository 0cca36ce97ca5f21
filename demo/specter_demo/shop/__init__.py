"""The demo shop: a web service with a catalog, search, login and checkout on PostgreSQL."""
