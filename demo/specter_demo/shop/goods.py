"""What the shop sells and to whom: names that the seed writes and the traffic asks for."""

import hashlib

# Enough that reading all of them takes long beside an index look-up, also on a fast machine.
PRODUCTS = 400_000
CUSTOMERS = 20_000

# Customers share this many passwords (and hashes): hashing 20,000 would take most of a minute.
CREDENTIALS = 64
SCRYPT_COST = 1024

COLOURS = (
    *("Amber", "Birch", "Cobalt", "Dusk", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper"),
    *("Kelp", "Linen", "Maple", "Nordic", "Ocean", "Pebble", "Quartz", "River", "Slate", "Tundra"),
    *("Umber", "Velvet", "Willow", "Yarrow", "Zephyr"),
)
THINGS = (
    *("Backpack", "Blanket", "Bottle", "Bowl", "Candle", "Chair", "Clock", "Desk", "Fleece", "Hammock"),
    *("Jacket", "Kettle", "Ladder", "Lamp", "Mug", "Notebook", "Parasol", "Pillow", "Racket", "Saddle"),
    *("Scarf", "Shelf", "Stool", "Tent", "Towel", "Vase", "Wallet", "Whistle"),
)


def product_name(product_id: int) -> str:
    """Return the name of product `product_id` (1 to `PRODUCTS`), as the seed's SQL builds it."""
    colour = COLOURS[product_id % len(COLOURS)]
    thing = THINGS[product_id // len(COLOURS) % len(THINGS)]
    return f"{colour} {thing} {1 + product_id // (len(COLOURS) * len(THINGS))}"


def email(customer_id: int) -> str:
    """Return the address that customer `customer_id` (1 to `CUSTOMERS`) logs in with."""
    return f"customer{customer_id}@shop.example"


def password(customer_id: int) -> str:
    """Return the password of customer `customer_id`; the shop's customers exist in the demo only."""
    return f"demo-{customer_id % CREDENTIALS}"


def hash_password(text: str, salt: bytes) -> bytes:
    """Return the scrypt hash (32 bytes) of a password; about 2 ms of one core."""
    return hashlib.scrypt(text.encode(), salt=salt, n=SCRYPT_COST, r=8, p=1, dklen=32)
