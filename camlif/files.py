"""Files and folders that appear whole: written beside their place, made to last, then renamed.

In comes a path and what to write; out comes the old content or the new one, never a mix and never
neither, whether the disk is full or the process is killed. Fails with OSError, the old content in
place. The order write, fsync, rename, fsync of the folder is that of SQLite and of
https://lwn.net/Articles/457667 ("Ensuring data reaches disk").
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if os.name == "posix":
    import fcntl

DRAFT, OLD = ".part", ".old"
STALE_SECONDS = 86_400.0
"""A draft of a day ago is no longer being written: its writer was killed."""
OPEN, PRIVATE = 0o777, 0o700
"""Modes of a new folder; the process's umask takes from them."""


@contextmanager
def place_file(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a path to write to, and put what is there in the place of a file at the end.

    Parameters
    ----------
    path : Path
        What a link leads to is replaced, not the link.
    lasting : bool
        Wait until the disk has it. False for what is worthless after a power cut.

    Yields
    ------
    Path
        Beside ``path``, hidden. Removed if the block fails.

    Raises
    ------
    OSError
        If it cannot be written, or ``path`` is a folder or a device.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    draft = _draft_of(path)
    try:
        yield draft
        if path.exists():
            shutil.copymode(path, draft)
        if lasting:
            flush(draft)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    if lasting:
        flush(path.parent)


def write_text(path: Path, text: str, *, lasting: bool = True) -> None:
    """Write a file whole, as UTF-8 without changing line ends; see `place_file`.

    Parameters
    ----------
    path : Path
    text : str
    lasting : bool
        As in `place_file`.
    """
    with place_file(path, lasting=lasting) as draft:
        draft.write_bytes(text.encode())


def write_new(path: Path, content: bytes, *, mode: int) -> bool:
    """Write a file with these permissions unless there is one; return whether it was written.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    content : bytes
    mode : int
        Permissions, such as 0o600.
    """
    draft = _draft_of(path)
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
        flush(draft)
        os.link(draft, path)  # which, other than a rename, fails where there is one
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    flush(path.parent)
    return True


@contextmanager
def place_folder(path: Path, *, mode: int = OPEN) -> Iterator[Path]:
    """Yield an empty folder to write into, and put it in the place of a folder at the end.

    What the old folder holds under other names is kept.

    Parameters
    ----------
    path : Path
    mode : int
        Permissions, unless there is a folder whose to keep.

    Yields
    ------
    Path
        Beside ``path``, hidden. Removed if the block fails.

    Raises
    ------
    OSError
        If it cannot be written, or `obstacle` names a reason.

    Notes
    -----
    A folder cannot be renamed onto one that holds files: the old one steps aside first. Killed just
    then, a process leaves it under another name, where `standing` finds it.
    """
    path = path.resolve()
    reason = obstacle(path)
    if reason is not None:
        raise OSError(errno.EINVAL, reason, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    _settle(path)
    old, draft = _old_of(path), _draft_of(path)
    try:
        draft.mkdir(mode=mode)
        yield draft
        for file in draft.rglob("*"):
            flush(file)
        if path.exists():
            shutil.copymode(path, draft)
            _keep_others(path, draft)
        flush(draft)
        if path.exists():
            path.rename(old)
        draft.rename(path)
    except BaseException:
        _settle(path)
        _remove(draft)
        raise
    flush(path.parent)
    with suppress(OSError):  # the new one is in its place; the next to be placed drops this one
        _settle(path)


def obstacle(path: Path) -> str | None:
    """Say why a folder cannot be placed as a whole; None if it can."""
    path = path.resolve()
    if path.exists() and not path.is_dir():
        return "it is no folder"
    if path.is_mount() or Path.cwd().is_relative_to(path):
        return "it is in use as a whole; name a folder inside it"
    parent = next(folder for folder in path.parents if folder.exists())
    if not parent.is_dir():
        return f"{parent} is no folder"
    if not os.access(parent, os.W_OK):
        return f"permission denied in {parent}"
    return None


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Let one process at a time write to a place, by a lock that ends with the process.

    Raises
    ------
    OSError
        With `errno.EBUSY` while another process writes there.
    """
    if os.name != "posix":
        yield
        return
    lock = path.resolve().with_name(f".{path.resolve().name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OSError(errno.EBUSY, "another process is writing there", str(path)) from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def standing(path: Path) -> Path:
    """Return where the content of a placed folder is: elsewhere only after a kill; see Notes there.

    Nothing is changed, so that it serves readers without the right to write.
    """
    old = _old_of(path)
    return old if old.is_dir() and _is_vacant(path) else path


def folders_in(parent: Path) -> list[Path]:
    """Return the placed folders in a folder, by name; `standing` says where each one's content is.

    Hidden folders are none: drafts are such.
    """
    if not parent.is_dir():
        return []
    names = {
        path.name.removeprefix(".").removesuffix(OLD) if path.name.endswith(OLD) else path.name
        for path in parent.iterdir()
    }
    return [parent / name for name in sorted(names) if not name.startswith(".")]


def sweep(folder: Path, *, older_than: float = STALE_SECONDS) -> None:
    """Remove the drafts that killed processes left in a folder, those of so many seconds ago."""
    for path in folder.glob(f".*{DRAFT}"):
        with suppress(OSError):  # another process sweeps as well
            if time.time() - path.stat().st_mtime >= older_than:
                _remove(path)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")


def _old_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{OLD}")


def _is_vacant(path: Path) -> bool:
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _settle(path: Path) -> None:
    """Put back an old folder that stepped aside for one that did not come; else drop it."""
    old = _old_of(path)
    if not old.exists():
        return
    if _is_vacant(path):
        with suppress(FileNotFoundError):
            path.rmdir()
        old.rename(path)
    else:
        _remove(old.rename(_draft_of(path)))  # under that name half of it is nobody's folder


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _keep_others(old: Path, draft: Path) -> None:
    """Bring what the old folder alone has into the new one, without copying where that goes."""
    for path in old.iterdir():
        kept = draft / path.name
        if kept.exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, kept, symlinks=True, copy_function=_link)
        else:
            _link(path, kept)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # a file system or platform without such links
        shutil.copy2(source, target, follow_symlinks=False)
        flush(Path(target))


def flush(path: Path) -> None:
    """Wait until the disk has a file, or a folder's names."""
    if path.is_symlink() or (path.is_dir() and os.name != "posix"):
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
