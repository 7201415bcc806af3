"""Writes files completely or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Writes a file completely or not at all, and replaces an existing one.

    If the path is a link, the link is replaced; the file that it points to is not changed.

    Args:
        path: The file; its folder must exist.
        content: Bytes, or text, which is written as UTF-8.

    Raises:
        OSError: If the file can't be written; an existing file is then unchanged.
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
                # Only the owner can read a temporary file, so it gets the usual permissions here.
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        # The error names the given path, not the temporary file.
        raise OSError(error.errno, error.strerror, str(path)) from error


def not_a_link(path: Path) -> Path:
    """Returns the path, if it is not a link.

    Raises:
        OSError: If it is a link: files written into it would land elsewhere.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link; give its target, or remove it", str(path))
    return path
