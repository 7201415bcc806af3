"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Writes a file, all of it or nothing, in the place of a file of that name.

    A link of that name is replaced too; what it points to stays as it is.

    Args:
        path: The file; its folder must be there.
        content: Bytes, or text, which is written as UTF-8.

    Raises:
        OSError: If the file can't be written; an existing one is then as before.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:100]}.", delete=False
        ) as file:
            try:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                # A temporary file is its owner's alone; this one is a result like any other.
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        # With the name that the caller knows.
        raise OSError(error.errno, error.strerror, str(path)) from error


def not_a_link(path: Path) -> Path:
    """Returns a path.

    Raises:
        OSError: If it is a link, so that what is written into it would land elsewhere.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link; give the place itself, or remove it", str(path))
    return path
