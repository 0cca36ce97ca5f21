"""What gunicorn serves: `specter_demo.shop.wsgi:application()`, built anew by each worker."""

import os
from typing import TYPE_CHECKING

from specter_core.web import WebOptions, parse_listen_address, secured
from specter_demo.settings import SHOP_ADDRESS, load_settings
from specter_demo.shop.app import create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def application() -> "WSGIApplication":
    """Return the shop as the environment describes it; on loopback it checks the Host header."""
    settings = load_settings(os.environ)
    app = create_app(settings)
    options = WebOptions(*parse_listen_address(settings.listen, "SHOP_LISTEN", SHOP_ADDRESS))
    return secured(app, options)
