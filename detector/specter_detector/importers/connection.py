"""How vmanomaly logs in, in our words: secrets come from files here."""

from collections.abc import Mapping
from typing import Any

from specter_detector.importers.notes import Imported, Path
from specter_detector.schema import check_url

CONNECTION_KEYS = frozenset(
    {
        "datasource_url", "tenant_id", "user", "password", "password_file", "bearer_token",
        "bearer_token_file", "verify_tls", "tls_cert_file", "tls_key_file",
    }
)  # fmt: skip


def take_connection(theirs: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, Any]:
    """Return the keys of a connection of ours."""
    ours: dict[str, Any] = {}
    if "datasource_url" in theirs:
        url = _url(theirs["datasource_url"], (*path, "datasource_url"), imported)
        if url is not None:
            ours["datasource_url"] = url
    if "tenant_id" in theirs:
        _tenant(theirs["tenant_id"], path, imported)
    ours |= _login(theirs, path, imported)
    ours |= _tls(theirs, path, imported)
    return ours


def _url(value: object, path: Path, imported: Imported) -> str | None:
    try:
        return check_url(str(value))
    except ValueError as error:
        imported.secret(path, f"is left out: {error}")
        return None


def _tenant(value: object, path: Path, imported: Imported) -> None:
    imported.note(
        (*path, "tenant_id"),
        value,
        "VictoriaMetrics' cluster has its tenant in the address: "
        "datasource_url http://…/select/TENANT/prometheus for reading, http://…/insert/TENANT/prometheus "
        "for writing. Our tenant_id is the header X-Scope-OrgID of Mimir",
    )


def _login(theirs: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, Any]:
    user, secret = theirs.get("user"), theirs.get("password_file")
    if theirs.get("bearer_token_file"):
        return {"bearer_token_file": str(theirs["bearer_token_file"])}
    if theirs.get("bearer_token"):
        imported.secret((*path, "bearer_token"), "put it into a file and name it in bearer_token_file")
        return {}
    if user and secret:
        return {"username": str(user), "password_file": str(secret)}
    if user or theirs.get("password"):
        imported.secret(
            (*path, "password"), "put it into a file, and set username and password_file; left out for now"
        )
    return {}


def _tls(theirs: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, Any]:
    verify = theirs.get("verify_tls")
    if verify is False or str(verify).lower() == "false":
        imported.note((*path, "verify_tls"), verify, "certificates are always verified: set ca_file")
    for key in ("tls_cert_file", "tls_key_file"):
        if key in theirs:
            imported.note((*path, key), theirs[key], "is left out: set the client certificate by hand")
    is_file = isinstance(verify, str) and verify.lower() not in {"true", "false", ""}
    return {"ca_file": verify} if is_file else {}
