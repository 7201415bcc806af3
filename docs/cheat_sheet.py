"""Prints the page `cheat-sheet.md` to `cheat-sheet.pdf`, with a headless Chromium.

`python docs/cheat_sheet.py` writes the file anew, `--check` says whether it is that of the page.
The last line of the PDF, a comment, is a digest of all that makes it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PDF = DOCS / "cheat-sheet.pdf"
SOURCES = ("cheat-sheet.md", "cheat-sheet.css")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
A4_POINTS = (595, 842)


def digest() -> str:
    """Returns the SHA-256 of the page and its styles."""
    found = hashlib.sha256()
    for name in SOURCES:
        found.update((DOCS / name).read_text(encoding="utf-8").encode())
    return found.hexdigest()


def is_of_the_page() -> bool:
    """Returns whether the PDF was made of the page and its styles as they are now."""
    return PDF.exists() and PDF.read_bytes().endswith(_mark())


def pages(pdf: bytes) -> list[tuple[int, int]]:
    """Returns the width and height of each page of a PDF of Chromium's, in whole points."""
    n_pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    boxes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    if len(boxes) != n_pages:
        raise ValueError(f"{n_pages} pages have {len(boxes)} sizes")
    return [(round(float(width)), round(float(height))) for width, height in boxes]


def printed(folder: Path) -> bytes:
    """Builds the page alone and returns it as a PDF.

    Args:
        folder: An empty folder.

    Raises:
        ValueError: If there is no Chromium, or it does not fit on one sheet.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ValueError(f"none of {', '.join(BROWSERS)} is installed")
    lines = [
        f"INHERIT: {DOCS.parent / 'mkdocs.yml'}",
        f"docs_dir: {DOCS}",
        f"hooks: [{DOCS / 'hooks.py'}]",
        "plugins: []",
        "strict: false",
        "nav: [cheat-sheet.md]",
    ]
    (folder / "mkdocs.yml").write_text("\n".join(lines), encoding="utf-8")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", str(folder / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([*build, "-d", str(folder / "site")], env=environment, check=True)
    # The sandbox does not run as root.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [browser, "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *sandbox]
    command += [f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer"]
    command += [f"--print-to-pdf={folder / 'sheet.pdf'}"]
    command += [(folder / "site" / "cheat-sheet.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (folder / "sheet.pdf").exists():
        raise ValueError(f"{browser} prints nothing: {done.stderr[-1000:]}")
    pdf = (folder / "sheet.pdf").read_bytes()
    if pages(pdf) != [A4_POINTS]:
        raise ValueError(f"the page must fit on one sheet of A4, but got {pages(pdf)}")
    return pdf


def _mark() -> bytes:
    return f"\n% sources: sha256 {digest()}\n".encode()


def main() -> int:
    """Runs the script and returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether the file is that")
    if parser.parse_args().check:
        if is_of_the_page():
            return 0
        print(f"{PDF.name} is not of its page: run python docs/{Path(__file__).name}")
        return 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            PDF.write_bytes(printed(Path(folder)) + _mark())
    except ValueError as error:
        print(f"{PDF.name} stays as it was: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
