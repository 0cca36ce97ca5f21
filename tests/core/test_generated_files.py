"""Generated folders: written whole, compared as sets of files and byte by byte."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from specter_core.errors import SpecterError
from specter_core.generated import differences, header, options, run, write

FILES = {"b.yml": "b: ü\n", "a.yml": "a: 1\n"}


def test_files_are_written_as_given_into_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert write(folder, FILES) == [folder / "b.yml", folder / "a.yml"]
    assert (folder / "b.yml").read_bytes() == b"b: \xc3\xbc\n"
    assert differences(folder, FILES) == []


def test_missing_orphaned_and_changed_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "old.yml": ""})
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe")
    assert differences(tmp_path, {**FILES, "c.yml": ""}) == [
        f"{tmp_path}/c.yml: missing",
        f"{tmp_path}/old.yml: orphan, no generator writes it",
        f"{tmp_path}/a.yml: differs from its generator",
    ]


def test_a_line_end_is_a_difference(tmp_path: Path) -> None:
    write(tmp_path, {"a.yml": "a: 1\r\n"})
    assert differences(tmp_path, {"a.yml": "a: 1\n"}) == [f"{tmp_path}/a.yml: differs from its generator"]


def test_a_folder_that_is_not_there_misses_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    assert differences(folder, FILES) == [f"{folder}/a.yml: missing", f"{folder}/b.yml: missing"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpecterError, match=r"cannot write .*file: File exists"):
        write(tmp_path / "file", FILES)


def test_the_command_writes_checks_and_says_what_to_run(tmp_path: Path) -> None:
    @click.command()
    @options(tmp_path / "default")
    def generate(output_dir: Path, check: bool) -> None:
        run("specter x generate", output_dir, FILES, check=check)

    runner = CliRunner()
    written = runner.invoke(generate)
    assert written.output == f"{tmp_path}/default/b.yml\n{tmp_path}/default/a.yml\n"
    checked = runner.invoke(generate, ["--check"])
    assert checked.output == f"{tmp_path}/default is up to date\n"
    missing = runner.invoke(generate, ["--check", "--output-dir", str(tmp_path / "other")])
    assert isinstance(missing.exception, SpecterError)
    assert missing.exception.exit_code == 1
    assert str(missing.exception).splitlines() == [
        f"{tmp_path}/other/a.yml: missing",
        f"{tmp_path}/other/b.yml: missing",
        "run `specter x generate`, and delete orphans",
    ]
    assert not (tmp_path / "other").exists()


def test_the_header_names_command_and_source() -> None:
    assert header("specter x generate", "x/y") == "DO NOT EDIT. Written by `specter x generate` from x/y."
