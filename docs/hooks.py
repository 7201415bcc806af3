"""Brings into the site what lies elsewhere, sets formulas, and lets drawings take its colours.

Elsewhere lie the notebooks, and ONNX Runtime Web, which npm downloads once.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import latex2mathml.converter
from bs4 import BeautifulSoup, NavigableString
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\s](?:[^$]*?[^$\s])?)\$", re.DOTALL)
VERBATIM = ("pre", "code", "script", "style", "math", "svg", "textarea")
COPIED = "clipboard-copy-txt"  # the text of a notebook's cell, for its copy button
DRAWING = "data:image/svg+xml;base64,"
BADGE = re.compile(r"^https://(colab\.research\.google\.com|mybinder\.org)/.*\.svg$")
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"

# What the page "Draw a digit" runs its models with: 14 MB, too much for the repository.
RUNTIME = "onnxruntime-web@1.30.0"
RUNTIME_SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
CACHE = Path(__file__).resolve().parent.parent / ".cache" / RUNTIME
RUNTIME_FOLDER = "digits/ort"  # in the site

log = logging.getLogger(f"mkdocs.hooks.{__name__}")


def _notebooks() -> list[Path]:
    return sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def _title(notebook: Path) -> str:
    """Returns the heading of a notebook, from the text beside it."""
    for line in notebook.with_suffix(".py").read_text(encoding="utf-8").splitlines():
        if line.startswith("# # "):
            return line.removeprefix("# # ").strip()
    raise ValueError(f"{notebook.name} has no heading")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the notebooks in the navigation, after the page of the tutorials."""
    pages = [{_title(path): f"{NOTEBOOKS.name}/{path.name}"} for path in _notebooks()]
    for entry in config.nav or ():
        if entry == {"Tutorials": "tutorials.md"}:
            entry["Tutorials"] = [{"Overview": "tutorials.md"}, *pages]
    return config


@event_priority(100)  # before mkdocs-jupyter looks for notebooks among the files
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds each notebook as a page, and the files of ONNX Runtime Web."""
    for name in RUNTIME_FILES if _has_runtime() else ():
        files.append(
            File(
                f"{RUNTIME_FOLDER}/{name}",
                src_dir=str(CACHE),
                dest_dir=config.site_dir,
                use_directory_urls=config.use_directory_urls,
            )
        )
    for path in _notebooks():
        files.append(
            File(
                f"{NOTEBOOKS.name}/{path.name}",
                src_dir=str(NOTEBOOKS.parent),
                dest_dir=config.site_dir,
                use_directory_urls=config.use_directory_urls,
            )
        )
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lists the notebooks on the page of the tutorials."""
    if page.file.src_uri != "tutorials.md":
        return markdown
    links = [f"- [{_title(path)}](notebooks/{path.name})" for path in _notebooks()]
    return f"{markdown}\n" + "\n".join(links) + "\n"


def on_page_content(html: str, **_: Any) -> str:
    """Sets LaTeX as MathML, which browsers show without loading anything, and mends links.

    Drawings become part of the page, so that `extra.css` gives them its colours.
    """
    page = BeautifulSoup(html, "html.parser")
    for image in page.find_all("img", src=re.compile(rf"^{re.escape(DRAWING)}")):
        drawing = base64.b64decode(image["src"].removeprefix(DRAWING)).decode()
        found = BeautifulSoup(drawing, "html.parser").find("svg")
        assert found is not None and image.parent is not None
        image.parent["class"] = ["jp-OutputArea-output"]  # else Jupyter's styles shrink it
        image.replace_with(found)
    for link in page.find_all("a", href=re.compile(r"^[^/:]+\.ipynb")):
        link["href"] = link["href"].replace(".ipynb", ".html")  # one notebook to another
    for link in page.find_all("a", href=re.compile(r"^\.\./docs/[^:]+\.md")):
        link["href"] = link["href"].replace("../docs/", "../").replace(".md", ".html")  # to a page
    for badge in page.find_all("img", src=BADGE):
        badge.parent["class"] = "badge"
        badge.replace_with(badge["alt"])  # the picture is on another host
    for text in list(page.find_all(string=FORMULA)):
        if text.find_parent(VERBATIM) is None and text.find_parent(class_=COPIED) is None:
            parts = BeautifulSoup(FORMULA.sub(_mathml, _escaped(text)), "html.parser")
            text.replace_with(*list(parts.contents))
    return str(page)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Takes out what a page would load from another host, with what is here in its place."""
    here = get_relative_url("iframe-worker.js", page.url)
    output = output.replace("https://unpkg.com/iframe-worker/shim", here)
    # The formulas are set already.
    return re.sub(r'<script[^>]* src=""[^>]*>\s*</script>', "", output)


def _has_runtime() -> bool:
    """Downloads ONNX Runtime Web by npm, unless it is there, and returns whether it is.

    Without it the site has all pages, and one of them says that its models did not load.

    Raises:
        ValueError: If npm brings another file than the one of this version.
    """
    place = CACHE / RUNTIME_FOLDER
    if all((place / name).exists() for name in RUNTIME_FILES):
        return True
    npm = shutil.which("npm")
    if npm is None:
        log.info("npm is not installed: the page 'Draw a digit' will have no runtime.")
        return False
    CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        command = [npm, "pack", RUNTIME, "--silent", "--pack-destination", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split())[-300:]
            log.info("npm can't download %s, for 'Draw a digit': %s", RUNTIME, reason)
            return False
        (archive,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != RUNTIME_SHA512:
            raise ValueError(f"The archive of {RUNTIME} has the SHA-512 {digest}")
        made = Path(folder) / "made"
        (made / RUNTIME_FOLDER).mkdir(parents=True)
        with tarfile.open(archive) as packed:
            for name in RUNTIME_FILES:
                content = packed.extractfile(f"package/dist/{name}")
                assert content is not None
                (made / RUNTIME_FOLDER / name).write_bytes(content.read())
        try:
            made.rename(CACHE)
        except OSError:  # another build was faster
            return _has_runtime()
    return True


def _escaped(text: NavigableString) -> str:
    return text.output_ready(formatter="html5")


def _mathml(found: re.Match[str]) -> str:
    latex = BeautifulSoup(found[1] or found[2], "html.parser").get_text()
    return latex2mathml.converter.convert(latex, display="block" if found[1] else "inline")
