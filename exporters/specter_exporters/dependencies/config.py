"""Read the list of dependencies: one file, every error at once, secrets by name only."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from specter_core.config import load_config
from specter_core.errors import SpecterError
from specter_core.named_files import file_problem
from specter_exporters.dependencies.model import (
    PLACE,
    Call,
    Check,
    Credential,
    Dependencies,
    Dependency,
    Expect,
    Expiry,
    Extract,
    Secret,
    StatusPage,
)
from specter_exporters.dependencies.schema import (
    DAY,
    CallSchema,
    CheckSchema,
    CredentialSchema,
    DependenciesSchema,
    DependencySchema,
    ExpectSchema,
    SecretSchema,
    StepSchema,
    secret_in_query,
)

SECRET = "secret"  # noqa: S105  the name that a credential's secret has in its headers and body


def load(path: Path) -> Dependencies:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read, breaks the schema, repeats a name, or uses a name that is not there.
    """
    schema = load_config(path, DependenciesSchema, _problems)
    folder = path.parent.resolve()
    return Dependencies(
        tuple(_dependency(each, folder) for each in schema.dependencies),
        schema.blackbox_address,
        schema.exporter_address,
        schema.concurrency,
    )


def secret_problems(config: Dependencies) -> list[str]:
    """Return what is wrong with the secrets and the certificates now; never with a value."""
    problems = []
    for each in config.dependencies:
        secrets = [*each.check.secrets.values()] if each.check else []
        secrets += [each.credential.secret] if each.credential else []
        for secret in secrets:
            try:
                secret.read()
            except SpecterError as error:
                problems.append(str(error))
        problem = None if each.ca_file is None else file_problem(each.ca_file)
        if problem is not None:
            problems.append(f"{each.name}.tls.ca_file: {problem}")
    return problems


def _problems(schema: DependenciesSchema) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for index, each in enumerate(schema.dependencies):
        where = f"dependencies[{index}]"
        if each.name in names:
            yield f"{where}.name", f"{each.name} appears twice"
        names.add(each.name)
        yield from _url_problems(each, where)
        if each.check is not None:
            yield from _step_problems(each.check, f"{where}.check")
        if each.credential is not None:
            if SECRET not in _places(each.credential):
                yield f"{where}.credential", "${secret} is in no header and no body: nothing is authenticated"
            for name in sorted(_places(each.credential) - {SECRET}):
                yield f"{where}.credential", f"${{{name}}} is unknown; there is ${{secret}}"


def _url_problems(each: DependencySchema, where: str) -> Iterator[tuple[str, str]]:
    urls = {f"{where}.url": each.url}
    if each.status_page is not None:
        urls[f"{where}.status_page"] = each.status_page.url
    if each.credential is not None:
        urls[f"{where}.credential.url"] = each.credential.url
    for index, step in enumerate(each.check.steps if each.check else ()):
        urls[f"{where}.check.steps[{index}].url"] = step.url
    for place, url in urls.items():
        name = secret_in_query(url)
        if name is not None:
            yield place, f"{name} in the query sounds like a secret; give it as a header with ${{name}}"


def _step_problems(check: CheckSchema, where: str) -> Iterator[tuple[str, str]]:
    known, steps = set(check.secrets), set()
    for index, step in enumerate(check.steps):
        here = f"{where}.steps[{index}]"
        if step.name in steps:
            yield f"{here}.name", f"{step.name} appears twice"
        steps.add(step.name)
        for name in sorted(_places(step) - known):
            there = ", ".join(sorted(known)) or "none"
            yield here, f"${{{name}}} is neither a secret nor extracted by an earlier step; there is {there}"
        for name in sorted(set(step.extract) & set(check.secrets)):
            yield f"{here}.extract.{name}", "is the name of a secret"
        known |= set(step.extract)


def _places(call: CallSchema) -> set[str]:
    texts = [*call.headers.values(), *(call.form or {}).values(), *_strings(call.json_)]
    return {name for text in texts for name in PLACE.findall(text)}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _dependency(schema: DependencySchema, folder: Path) -> Dependency:
    page, check, credential = schema.status_page, schema.check, schema.credential
    secure = schema.url.startswith("https://")
    return Dependency(
        schema.name,
        schema.url,
        schema.criticality,
        _expect(schema.expect),
        schema.interval,
        schema.timeout,
        latency=schema.expect.latency,
        tls_warning=schema.tls.expiry_warning_days * DAY if secure else None,
        ca_file=folder / schema.tls.ca_file if schema.tls.ca_file else None,
        check=None if check is None else _check(check, schema, folder),
        credential=None if credential is None else _credential(credential, schema, folder),
        status_page=None
        if page is None
        else StatusPage(page.url.rstrip("/"), frozenset(page.components), page.interval, page.timeout),
    )


def _check(schema: CheckSchema, dependency: DependencySchema, folder: Path) -> Check:
    secrets: Mapping[str, Secret] = {
        name: _secret(each, f"{dependency.name}.check.secrets.{name}", folder)
        for name, each in schema.secrets.items()
    }
    steps = tuple(_call(step, step.name, dependency.timeout, _extracts(step)) for step in schema.steps)
    return Check(steps, secrets, schema.interval or dependency.interval)


def _credential(schema: CredentialSchema, dependency: DependencySchema, folder: Path) -> Credential:
    expiry = schema.expiry
    return Credential(
        _call(schema, "", dependency.timeout),
        _secret(schema.secret, f"{dependency.name}.credential.secret", folder),
        frozenset(schema.refused),
        None if expiry is None else Expiry(expiry.jwt, expiry.header, _path(expiry.json_)),
        schema.interval or dependency.interval,
    )


def _call(schema: CallSchema, name: str, timeout: float, extract: tuple[Extract, ...] = ()) -> Call:
    return Call(
        name,
        schema.method,
        schema.url,
        schema.timeout or timeout,
        schema.headers,
        schema.json_,
        schema.form,
        _expect(schema.expect),
        extract,
    )


def _extracts(step: StepSchema) -> tuple[Extract, ...]:
    return tuple(
        Extract(name, _path(each.json_), re.compile(each.pattern) if each.pattern else None)
        for name, each in step.extract.items()
    )


def _expect(schema: ExpectSchema) -> Expect:
    return Expect(frozenset(schema.status), re.compile(schema.body) if schema.body else None)


def _secret(schema: SecretSchema, what: str, folder: Path) -> Secret:
    return Secret(what, folder / schema.file if schema.file else None, schema.env)


def _path(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()
