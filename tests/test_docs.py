"""The documentation builds without a warning, and its code runs."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock

import devtools
import qkeras_hybrid as qh

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


SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_command_has_the_options_that_pages_name() -> None:
    from typer.main import get_command

    import qkeras_hybrid.cli  # noqa: F401  adds the commands
    from qkeras_hybrid.cli.base import app

    group: Any = get_command(app)
    n_commands = 0
    for page in PAGES:
        for block in SHELL.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                program, *arguments = shlex.split(line, comments=True) or [""]
                if program == "qkeras-hybrid":
                    with group.make_context(program, arguments) as context:
                        name, command, rest = group.resolve_command(context, arguments)
                        command.make_context(name, rest, parent=context)
                    n_commands += 1
    assert n_commands > 10


def test_the_cheat_sheet_is_printed_anew_after_each_change() -> None:
    cheat_sheet = _cheat_sheet()
    assert cheat_sheet.is_of_the_page(), "run python docs/cheat_sheet.py"
    assert cheat_sheet.pages(cheat_sheet.PDF.read_bytes()) == [cheat_sheet.A4_POINTS]
    # Longer lines of code would be cut off on paper.
    text = (DOCS / "cheat-sheet.md").read_text(encoding="utf-8")
    lines = [
        line for block in (*CODE.findall(text), *SHELL.findall(text)) for line in block.split("\n")
    ]
    assert max(map(len, lines)) <= 66


def test_without_a_browser_the_cheat_sheet_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cheat_sheet = _cheat_sheet()
    monkeypatch.setattr(cheat_sheet, "PDF", tmp_path / "sheet.pdf")
    monkeypatch.setattr(cheat_sheet, "BROWSERS", ("no-such-browser",))
    monkeypatch.setattr("sys.argv", ["cheat_sheet.py", "--check"])
    assert cheat_sheet.main() == 1
    assert "sheet.pdf is not of its page" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["cheat_sheet.py"])
    assert cheat_sheet.main() == 1
    assert "no-such-browser is installed" in capsys.readouterr().err
    assert not cheat_sheet.PDF.exists()


def _cheat_sheet() -> Any:
    spec = importlib.util.spec_from_file_location("cheat_sheet", DOCS / "cheat_sheet.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@pytest.fixture(name="site", scope="session")
def build_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Processes of pytest-xdist have folders side by side. The first builds the site for all.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = shared / "site"
    with FileLock(shared / "site.lock"):
        if not made.exists():
            fresh = shared / "site.new"
            found = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(fresh)],
                cwd=DOCS.parent,
                env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert found.returncode == 0, found.stderr[-3000:]
            fresh.rename(made)
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


COPIED = re.compile(r'<div class="clipboard-copy-txt"[^>]*>(.*?)</div>', re.DOTALL)


def test_formulas_are_set_without_a_script(site: Path) -> None:
    notebooks = list((site / "notebooks").glob("*.html"))
    assert notebooks
    texts = {path: path.read_text(encoding="utf-8") for path in notebooks}
    assert sum("<math" in text for text in texts.values()) > len(texts) / 2
    for page in texts.values():
        # LaTeX that no one set would be read as it stands; the copy buttons' code is not read.
        page = COPIED.sub("", page)
        text = re.sub(r"<(pre|code|script|style|svg|math)\b.*?</\1>", "", page, flags=re.DOTALL)
        assert re.findall(r"\$[^$]*\\[a-z]+[^$]*\$", text) == []


def test_mike_deploys_a_version_and_only_such_a_site_lists_versions(
    site: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mike")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A page\n")
    lines = [
        f"INHERIT: {DOCS.parent / 'mkdocs.yml'}",
        f"hooks: [{DOCS / 'hooks.py'}]",
        "plugins: []",
        "extra_css: []",
        "strict: false",
        "nav: [index.md]",
    ]
    (tmp_path / "mkdocs.yml").write_text("\n".join(lines))
    # mike starts `mkdocs`.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "NO_MKDOCS_2_WARNING": "1"}

    def run(*command: str) -> str:
        options = {"cwd": tmp_path, "env": environment, "text": True}
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout

    run("git", "init", "--quiet")
    run("git", "config", "user.name", "a reader")
    run("git", "config", "user.email", "reader@example.org")
    run("git", "commit", "--quiet", "--allow-empty", "--message", "A page")
    mike = (sys.executable, "-c", "from mike import driver; driver.main()")
    run(*mike, "deploy", "0.1", "latest")
    (version,) = json.loads(run("git", "show", "gh-pages:versions.json"))
    assert (version["version"], version["aliases"]) == ("0.1", ["latest"])
    deployed = run("git", "show", "gh-pages:0.1/index.html")
    read_from_disk = (site / "index.html").read_text(encoding="utf-8")
    found = [re.search(r'"provider":\s*"mike"', page) for page in (deployed, read_from_disk)]
    assert [one is not None for one in found] == [True, False]


def test_the_search_index_knows_the_layers(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "PQCDense" in index


def test_the_reference_has_every_public_name(site: Path) -> None:
    anchors: set[str] = set()
    for path in (site / "reference").glob("*.html"):
        anchors.update(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))
    names = [m.name for m in pkgutil.iter_modules(qh.__path__) if not m.name.startswith("_")]
    modules = [qh, *(importlib.import_module(f"{qh.__name__}.{name}") for name in names)]
    public = [m for name, m in sys.modules.items() if name.startswith(qh.__name__)]
    missing = []
    for module in modules:
        own = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        ]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                # Where it is documented: where it is defined, or in a package that offers it.
                at = {f"{m.__name__}.{name}" for m in public if getattr(m, name, None) is value}
                if not anchors & at:
                    missing.append(f"{module.__name__}.{name}")
            elif inspect.ismodule(value) and value.__name__ not in anchors:
                missing.append(value.__name__)
    assert missing == []
    # By task, too: each page of the reference, and each name of the package itself.
    overview = (site / "reference" / "index.html").read_text(encoding="utf-8")
    article = overview[overview.index("<article") : overview.index("</article>")]
    tasks = set(re.findall(r'href="(?:[\w-]+\.html)?#qkeras_hybrid\.[\w.]*?(\w+)"', article))
    classes = {
        name
        for name in qh.__all__
        if inspect.isroutine(getattr(qh, name)) or inspect.isclass(getattr(qh, name))
    }
    assert classes - tasks == set()


@pytest.fixture(name="browser", scope="module")
def start_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devtools.Page]:
    pytest.importorskip("websocket", reason="websocket-client is not installed")
    with devtools.page(tmp_path_factory.mktemp("profile")) as page:
        # Pages keep their colours for the next one.
        page.send("Page.addScriptToEvaluateOnNewDocument", source="localStorage.clear()")
        yield page


@devtools.NEEDS_CHROMIUM
def test_search_works_on_pages_read_from_disk(site: Path, browser: devtools.Page) -> None:
    browser.screen(1280, 900)  # on a phone, the box is behind an icon
    browser.go((site / "index.html").as_uri())
    browser.run("document.querySelector('input.md-search__input').focus()")
    browser.send("Input.insertText", text="reuploading")
    browser.wait("document.querySelector('.md-search-result__item a') !== null")
    targets = browser.run(
        "[...document.querySelectorAll('.md-search-result__item a')].map(a => a.href)"
    )
    assert any("reference/encodings.html" in target for target in targets)
    assert browser.complaints() == []


MAIN = (
    "index.html",
    "cheat-sheet.html",
    "guides/plot.html",
    "notebooks/07_images.html",
    "reference/layers.html",
)

# What no one can see: pre-formatted text, pictures and tables that reach beyond what they are in,
# where nothing scrolls.
CUT = """
[...document.querySelectorAll('.md-content :is(pre, pre > code, svg, img, table)')].filter(e => {
  const right = e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.clientWidth);
  for (let a = e; a; a = a.parentElement) {
    const flow = getComputedStyle(a).overflowX;
    if (flow === 'auto' || flow === 'scroll') return false;
    if (flow === 'hidden' && right > a.getBoundingClientRect().right + 1) return true;
  }
  return right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 100))
"""


def lost_parts(site: Path, pages: Iterable[Path], browser: devtools.Page) -> list[str]:
    lost = []
    for width in (1280, 390):
        browser.screen(width, 800, phone=width < 500)
        for path in pages:
            browser.go(path.as_uri())
            wide = browser.run("document.documentElement.scrollWidth")
            cut = browser.run(CUT)
            if wide > width or cut:
                lost.append(f"{path.relative_to(site)} at {width}: {wide} wide, cut: {cut}")
    return lost


@devtools.NEEDS_CHROMIUM
def test_all_of_the_main_pages_is_seen_on_desks_and_phones(
    site: Path, browser: devtools.Page
) -> None:
    assert lost_parts(site, [site / name for name in MAIN], browser) == []


@pytest.mark.slow
@devtools.NEEDS_CHROMIUM
def test_all_of_every_page_is_seen_on_desks_and_phones(site: Path, browser: devtools.Page) -> None:
    assert lost_parts(site, sorted(site.rglob("*.html")), browser) == []


@devtools.NEEDS_CHROMIUM
def test_the_cheat_sheet_fits_on_one_sheet(site: Path, browser: devtools.Page) -> None:
    cheat_sheet = _cheat_sheet()
    browser.screen(1280, 900)
    browser.go((site / "cheat-sheet.html").as_uri())
    pdf = browser.send("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert cheat_sheet.pages(base64.b64decode(pdf)) == [cheat_sheet.A4_POINTS]


# The colours of drawings, and those that lie behind them.
COLOURS = """
(() => {
  const opaque = c => c !== 'none' && c !== 'rgba(0, 0, 0, 0)';
  const drawn = [...document.querySelectorAll('.jp-OutputArea-output svg')];
  const behind = new Set(), lines = new Set(), texts = new Set(), boxes = new Set();
  for (const svg of drawn) {
    for (let a = svg; a; a = a.parentElement) behind.add(getComputedStyle(a).backgroundColor);
    for (const e of svg.querySelectorAll('*')) {
      const style = getComputedStyle(e);
      if (e.tagName === 'text') texts.add(style.fill);
      else if (e.tagName === 'rect') boxes.add(style.fill);
      if (e.tagName !== 'text' && style.strokeWidth !== '0px') lines.add(style.stroke);
    }
  }
  const all = [behind, boxes, lines, texts].map(found => [...found].filter(opaque));
  return {n: drawn.length, behind: all[0], boxes: all[1], lines: all[2], texts: all[3]};
})()
"""


def contrast(colour: str, other: str) -> float:
    """Returns WCAG 2.2's contrast ratio of two colours that are written `rgb(r, g, b)`."""

    def luminance(text: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", text)]
        assert len(parts) == 3, text
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(colour), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@devtools.NEEDS_CHROMIUM
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_circuits_have_the_colours_of_the_page(
    site: Path, browser: devtools.Page, dark: bool
) -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    browser.screen(1280, 800, dark=dark)
    n_drawn = 0
    for name in ("01_quantum_layer_between_dense", "04_your_own_circuit"):
        browser.go("about:blank")
        browser.go((site / "notebooks" / f"{name}.html").as_uri())
        scheme = browser.run("document.body.dataset.mdColorScheme")
        assert scheme == ("slate" if dark else "default")
        found = browser.run(COLOURS)
        n_drawn += found["n"]
        (page,) = found["behind"]  # no card of another colour
        assert (contrast(page, "rgb(255, 255, 255)") > 10) == dark
        assert found["boxes"] == [page]
        assert min(contrast(line, page) for line in found["lines"]) > 3  # WCAG's for graphics
        assert min(contrast(text, page) for text in found["texts"]) > 4.5
    assert n_drawn == 2


def test_the_copy_button_of_a_cell_copies_its_code(site: Path) -> None:
    for path in (site / "notebooks").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        copied = COPIED.findall(page)
        assert copied
        assert [text for text in copied if "<" in text] == []
