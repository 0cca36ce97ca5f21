"""Folders of generated files: write them, or say what differs from what would be written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from specter_core.errors import SpecterError


def header(command: str, source: str) -> str:
    """Return the sentence that marks a file written by `command` from the code in `source`."""
    return f"DO NOT EDIT. Written by `{command}` from {source}."


def write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write `files` (name → content) into `folder` and return their paths, in the order given.

    Raises:
        SpecterError: the folder or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
    except OSError as error:
        raise SpecterError(f"cannot write {error.filename}: {error.strerror}") from error
    return [folder / name for name in files]


def differences(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return how `folder` differs from `files` (name → content), byte by byte; empty: not at all.

    One line a file: missing, orphan or different. A folder that is not there misses every file.

    Raises:
        SpecterError: the folder or a file cannot be read.
    """
    try:
        found = {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()
        changed = [
            name
            for name in sorted(files.keys() & found)
            if (folder / name).read_bytes() != files[name].encode()
        ]
    except OSError as error:
        raise SpecterError(f"cannot read {error.filename}: {error.strerror}") from error
    return [
        *(f"{folder / name}: missing" for name in sorted(files.keys() - found)),
        *(f"{folder / name}: orphan, no generator writes it" for name in sorted(found - files.keys())),
        *(f"{folder / name}: differs from its generator" for name in changed),
    ]


def options(default: Path) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds `--output-dir` (as `default` unless given) and `--check` to a command."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        check = click.option(
            "--check", is_flag=True, help="Write nothing; exit 1 if files are missing, orphaned or different."
        )
        output_dir = click.option(
            "--output-dir",
            type=click.Path(path_type=Path, file_okay=False),
            default=default,
            show_default=True,
            help="Folder that holds the generated files and nothing else.",
        )
        return output_dir(check(command))

    return decorate


def run(command: str, folder: Path, files: Mapping[str, str], *, check: bool) -> None:
    """Write `files` into `folder` and print their paths, or, with `check`, say that it holds exactly them.

    Raises:
        SpecterError: something cannot be written or read, or `check` finds a difference; the message
            names every file and says to run `command`.
    """
    if not check:
        for path in write(folder, files):
            click.echo(path)
        return
    problems = differences(folder, files)
    if problems:
        raise SpecterError("\n".join([*problems, f"run `{command}`, and delete orphans"]))
    click.echo(f"{folder} is up to date")
