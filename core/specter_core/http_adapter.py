"""An adapter for requests whose connections are of one's own classes."""

from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection


class OwnConnections(HTTPAdapter):
    """Requests' adapter with other classes of connections, direct and through a proxy.

    Args:
        plain: for http.
        secure: for https.
        options: see `HTTPAdapter`.
    """

    def __init__(self, plain: type[HTTPConnection], secure: type[HTTPSConnection], **options: Any) -> None:
        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = secure

        self._pools = {"http": PlainPool, "https": SecurePool}
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager
