"""Reading the catalog: its pages, a product, search by the start of a name."""

import flask

from specter_demo.shop.database import Pool

PAGE = 24
FOUND = 20
SHORTEST_QUERY = 3
LONGEST_QUERY = 100
LAST_PAGE = 100_000

LIST = """
select product_id, name, price_cents from products
where product_id > %s order by product_id limit %s
"""
ONE = "select product_id, name, description, price_cents from products where product_id = %s"
# The index on lower(name) finds the few rows that match; without it every row is read.
SEARCH = """
select product_id, name, price_cents from products
where lower(name) like %s order by popularity desc limit %s
"""


def catalog(pool: Pool) -> flask.Blueprint:
    """Return the routes that read the catalog through `pool`."""
    routes = flask.Blueprint("catalog", __name__, template_folder="templates")

    @routes.get("/")
    def front() -> str:
        page = max(1, min(flask.request.args.get("page", 1, type=int), LAST_PAGE))
        with pool.connection() as connection:
            rows = connection.execute(LIST, ((page - 1) * PAGE, PAGE)).fetchall()
        return flask.render_template("catalog.html", products=rows, page=page)

    @routes.get("/products/<int:product_id>")
    def product(product_id: int) -> flask.typing.ResponseReturnValue:
        # Larger numbers do not fit PostgreSQL's integer, and no product has them.
        if product_id >= 1 << 31:
            return flask.jsonify(error="no such product"), 404
        with pool.connection() as connection:
            row = connection.execute(ONE, (product_id,)).fetchone()
        if row is None:
            return flask.jsonify(error="no such product"), 404
        found = dict(zip(("product_id", "name", "description", "price_cents"), row, strict=True))
        kinds = flask.request.accept_mimetypes
        # A client that does not say gets JSON; a browser asks for a page.
        if kinds.best_match(("application/json", "text/html")) == "text/html":
            return flask.render_template("product.html", product=found), {"Vary": "Accept"}
        return flask.jsonify(found), {"Vary": "Accept"}

    @routes.get("/search")
    def search() -> flask.typing.ResponseReturnValue:
        query = flask.request.args.get("q", "").strip().lower()
        if not SHORTEST_QUERY <= len(query) <= LONGEST_QUERY or "\0" in query:
            return flask.jsonify(error=f"q: expected {SHORTEST_QUERY} to {LONGEST_QUERY} characters"), 400
        with pool.connection() as connection:
            rows = connection.execute(SEARCH, (starting_with(query), FOUND)).fetchall()
        products = [dict(zip(("product_id", "name", "price_cents"), row, strict=True)) for row in rows]
        return flask.jsonify(products=products)

    return routes


def starting_with(text: str) -> str:
    """Return the LIKE pattern of what starts with `text`, whatever characters it holds."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped + "%"
