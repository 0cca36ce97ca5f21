"""Whether a file that a configuration names is there."""

import os
from pathlib import Path

import pytest

from specter_core.named_files import file_problem


def test_a_file_is_there_and_a_folder_or_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "password").touch()
    assert file_problem(tmp_path / "password") is None
    assert file_problem(tmp_path) == f"{tmp_path} is not a file"
    assert file_problem(tmp_path / "other") == f"{tmp_path / 'other'} is not a file"


def test_what_cannot_be_looked_at_is_said_in_the_systems_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 300)
    assert file_problem(long) == f"{long} cannot be looked at: File name too long"

    # A folder that may not be entered, which nothing is for root.
    def refuse(_: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert file_problem(tmp_path) == f"{tmp_path} cannot be looked at: Permission denied"
