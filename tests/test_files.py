"""Files and folders appear whole, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from camlif.files import (
    folders_in,
    obstacle,
    place_file,
    place_folder,
    standing,
    sweep,
    write_new,
    write_text,
)
from tests.builders.faults import DONE, FAILED, KILLED, SURVIVED, each_cut, each_limit

OLD, NEW = "old " * 100, "new " * 200


def place(folder: Path, content: str) -> None:
    with place_folder(folder) as draft:
        for name in ("weights", "card"):
            (draft / name).write_text(content)


def content(folder: Path) -> set[str]:
    """What the two files of a placed folder say."""
    home = standing(folder)
    return {(home / name).read_text() for name in ("weights", "card")}


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


# Files


def test_a_file_is_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "α\r\n")
    write_text(tmp_path / "a.json", "β\n", lasting=False)

    assert (tmp_path / "a.json").read_bytes() == "β\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_a_file_is_the_old_or_the_new_one_wherever_writing_ends(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(OLD)

    for status in each_cut(lambda: write_text(path, NEW), tmp_path, fault):  # type: ignore[arg-type]
        assert path.read_text() == (NEW if status in (DONE, SURVIVED) else OLD)
        if status == FAILED:
            assert not hidden(tmp_path)


def test_a_file_that_the_disk_has_no_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(OLD)

    statuses = list(each_limit(lambda: write_text(path, NEW), range(0, len(NEW), 97)))

    assert set(statuses) == {FAILED}
    assert path.read_text() == OLD
    assert not hidden(tmp_path)


def test_a_link_stays_and_what_it_leads_to_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.toml", tmp_path / "a.toml"
    target.write_text(OLD)
    target.chmod(0o640)
    link.symlink_to(target)

    write_text(link, NEW)

    assert link.is_symlink()
    assert target.read_text() == NEW
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_device_or_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            write_text(path, NEW)
    assert (tmp_path / "pipe").is_fifo()


def test_an_error_of_the_writer_comes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with place_file(tmp_path / "a.csv") as draft:
            draft.write_text(NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_new_file_has_its_permissions_and_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "token.key"

    assert write_new(path, b"first", mode=0o600)
    assert not write_new(path, b"second", mode=0o600)

    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not hidden(tmp_path)


# Folders


@pytest.mark.parametrize("fault", ["kill", "full disk"])
def test_a_folder_is_the_old_or_the_new_one_wherever_writing_ends(
    fault: str, tmp_path: Path
) -> None:
    folder, seen = tmp_path / "model", []
    place(folder, OLD)
    (folder / "cohort.toml").write_text("kept")
    (folder / "study").mkdir()
    (folder / "study" / "study.json").write_text("kept too")

    for status in each_cut(lambda: place(folder, NEW), tmp_path, fault):  # type: ignore[arg-type]
        now, home = content(folder), standing(folder)
        assert now in ({OLD}, {NEW})
        assert (home / "cohort.toml").read_text() == "kept"
        assert (home / "study" / "study.json").read_text() == "kept too"
        assert folders_in(tmp_path) == [folder]
        if status == FAILED:
            assert not hidden(tmp_path)
        seen.append((status, now == {NEW}, home == folder))
        sweep(tmp_path, older_than=0)
        place(folder, OLD)
        assert not hidden(tmp_path)

    assert seen[-1] == (DONE, True, True)
    if fault == "kill":  # among the points were both sides of each of the two renames
        assert {(KILLED, False, True), (KILLED, False, False), (KILLED, True, True)} < set(seen)


def test_a_folder_that_the_disk_has_no_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    place(tmp_path / "model", OLD)

    action: Callable[[], None] = lambda: place(tmp_path / "model", NEW)  # noqa: E731
    statuses = list(each_limit(action, range(0, len(NEW), 97)))

    assert set(statuses) == {FAILED}
    assert content(tmp_path / "model") == {OLD}
    assert not hidden(tmp_path)


def test_an_empty_folder_made_in_advance_does_not_hide_the_old_one(tmp_path: Path) -> None:
    place(tmp_path / "model", OLD)
    (tmp_path / "model").rename(tmp_path / ".model.old")  # as a kill between the renames leaves it
    (tmp_path / "model").mkdir()

    assert content(tmp_path / "model") == {OLD}
    place(tmp_path / "model", NEW)
    assert content(tmp_path / "model") == {NEW}
    assert not hidden(tmp_path)


def test_a_folder_without_links_is_copied_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    place(tmp_path / "model", OLD)
    (tmp_path / "model" / "cohort.toml").write_text("kept")
    monkeypatch.setattr("os.link", refuse)

    place(tmp_path / "model", NEW)

    assert (tmp_path / "model" / "cohort.toml").read_text() == "kept"


def test_a_folder_keeps_its_permissions_and_a_new_one_gets_those_asked_for(tmp_path: Path) -> None:
    with place_folder(tmp_path / "run", mode=0o700) as draft:
        (draft / "job.json").touch()
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700

    place(tmp_path / "run", NEW)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_placed_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert obstacle(tmp_path / "file") == "it is no folder"
    assert "no folder" in (obstacle(tmp_path / "file" / "model") or "")
    assert "name a folder inside it" in (obstacle(Path()) or "")
    assert "name a folder inside it" in (obstacle(Path("/proc")) or "")
    assert obstacle(tmp_path / "new" / "model") is None
    with pytest.raises(OSError, match="inside it"):
        place(tmp_path / "here", NEW)
    assert not list((tmp_path / "here").iterdir())


def test_drafts_of_killed_writers_are_swept_and_younger_ones_stay(tmp_path: Path) -> None:
    for name, age in (("stale", 2 * 86_400), ("young", 3600)):
        draft = tmp_path / f".{name}.0a1b2c3d.part"
        draft.mkdir()
        (draft / "table.csv").touch()
        then = draft.stat().st_mtime - age
        os.utime(draft, (then, then))

    place(tmp_path / "other", NEW)

    assert hidden(tmp_path) == [".young.0a1b2c3d.part"]
    assert [path.name for path in folders_in(tmp_path)] == ["other"]
    assert folders_in(tmp_path / "nowhere") == []
