"""The documentation builds without a warning, and its code runs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import browsers

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HAS_TFQ = importlib.util.find_spec("tensorflow_quantum") is not None
WITH_CODE = [
    page
    for page in PAGES
    if CODE.search(text := page.read_text(encoding="utf-8"))
    and (HAS_TFQ or "import tensorflow_quantum" not in text)
]


def test_the_code_of_every_page_runs(tmp_path: Path, run_python: Callable[..., str]) -> None:
    assert WITH_CODE
    # One process for all, because each would load TensorFlow; a page has names of its own, as
    # its reader has.
    pages = {str(page.relative_to(DOCS)): page.read_text(encoding="utf-8") for page in WITH_CODE}
    # What a page says of a training's end is in its text: two epochs run the same code.
    lines = ["import os\nos.environ['KERAS_MAX_EPOCHS'] = '2'\nimport keras"]
    lines.append(f"os.chdir({str(tmp_path)!r})")
    for name, text in pages.items():
        code = "\n".join(CODE.findall(text))
        lines.append(f"print({name!r}, flush=True)")
        lines.append(f"exec(compile({code!r}, {name!r}, 'exec'), {{'__name__': {name!r}}})")
        lines.append("keras.utils.clear_session()")
    run_python("\n".join(lines))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_name_their_language_and_say_where_they_do_not_run(page: Path) -> None:
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    known = ("python", "sh", "toml", "{.python .not-run}")
    assert [fence for fence in fences[::2] if fence not in known] == []


class _Links(HTMLParser):
    """Collects what a page links to and the places in it that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = dict(attributes)
        if of.get("id"):
            self.anchors.add(str(of["id"]))
        if tag == "a" and of.get("href"):
            self.targets.append(str(of["href"]))
        if tag in ("script", "img") and of.get("src"):
            self.loaded.append(str(of["src"]))
        if tag == "link" and of.get("rel") == "stylesheet":
            self.loaded.append(str(of["href"]))


@pytest.fixture(name="site", scope="module")
def build_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    found = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(made)],
        cwd=DOCS.parent,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return made


def test_every_link_inside_the_site_leads_somewhere(site: Path) -> None:
    pages = {}
    for path in site.rglob("*.html"):
        pages[path] = _Links()
        pages[path].feed(path.read_text(encoding="utf-8"))
    assert len(pages) > len(PAGES)  # the notebooks too
    dead = []
    for path, links in pages.items():
        if path.name == "404.html":
            continue  # its links are absolute, since it may be served anywhere
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing = to.suffix == ".html" and parts.fragment and to in pages
            if not to.exists() or (missing and parts.fragment not in pages[to].anchors):
                dead.append(f"{path.relative_to(site)}: {target}")
    assert dead == []


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        if path.name == "404.html":
            continue
        links = _Links()
        links.feed(path.read_text(encoding="utf-8"))
        assert links.loaded
        assert [target for target in links.loaded if urlsplit(target).netloc] == []


def test_formulas_are_set_without_a_script(site: Path) -> None:
    notebooks = list((site / "notebooks").glob("*.html"))
    assert notebooks
    texts = {path: path.read_text(encoding="utf-8") for path in notebooks}
    assert sum("<math" in text for text in texts.values()) > len(texts) / 2
    for page in texts.values():
        # LaTeX that no one set would be read as it stands.
        text = re.sub(r"<(pre|code|script|style|svg|math)\b.*?</\1>", "", page, flags=re.DOTALL)
        assert re.findall(r"\$[^$]*\\[a-z]+[^$]*\$", text) == []


def test_the_search_index_knows_the_layers(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "PQCDense" in index


@browsers.NEEDS_CHROMIUM
def test_search_works_on_pages_read_from_disk(site: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with browsers.chromium() as browser:
        browser.set_window_size(1280, 900)  # on a phone, the box is behind an icon
        browser.get((site / "index.html").as_uri())
        box = browser.find_element(By.CSS_SELECTOR, "input.md-search__input")
        box.click()
        box.send_keys("reuploading")
        found = WebDriverWait(browser, 20).until(
            lambda b: b.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        )
        targets = [str(link.get_attribute("href")) for link in found]
        assert any("reference/encodings.html" in target for target in targets)
        assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []


@browsers.NEEDS_CHROMIUM
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_its_screen(site: Path, width: int) -> None:
    with browsers.chromium() as browser:
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        wide = []
        for path in sorted(site.rglob("*.html")):
            browser.get(path.as_uri())
            if browser.execute_script("return document.documentElement.scrollWidth") > width:
                wide.append(str(path.relative_to(site)))
        assert wide == []
