"""Brings the notebooks, which lie beside the documentation, into the site, and sets formulas."""

from __future__ import annotations

import re
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
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


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
    """Adds each notebook as a page."""
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
    """Sets LaTeX as MathML, which browsers show without loading anything, and mends links."""
    page = BeautifulSoup(html, "html.parser")
    for link in page.find_all("a", href=re.compile(r"^[^/:]+\.ipynb")):
        link["href"] = link["href"].replace(".ipynb", ".html")  # one notebook to another
    for text in list(page.find_all(string=FORMULA)):
        if text.find_parent(VERBATIM) is None:
            parts = BeautifulSoup(FORMULA.sub(_mathml, _escaped(text)), "html.parser")
            text.replace_with(*list(parts.contents))
    return str(page)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Takes out what a page would load from another host, with what is here in its place."""
    here = get_relative_url("iframe-worker.js", page.url)
    output = output.replace("https://unpkg.com/iframe-worker/shim", here)
    # The formulas are set already.
    return re.sub(r'<script[^>]* src=""[^>]*>\s*</script>', "", output)


def _escaped(text: NavigableString) -> str:
    return text.output_ready(formatter="html5")


def _mathml(found: re.Match[str]) -> str:
    latex = BeautifulSoup(found[1] or found[2], "html.parser").get_text()
    return latex2mathml.converter.convert(latex, display="block" if found[1] else "inline")
