"""The page of the report in a headless browser: sorting, filtering, colours, paper, phones."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import browsers
import made_rows
from qkeras_hybrid.bench import report

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

pytestmark = browsers.NEEDS_CHROMIUM

CONTENDERS = ("hybrid", "dense_same_parameters", "frozen_circuit", "rbf_svc")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    rows = []
    for name, model in (("wine", "pqc_dense"), ("iris", "pqc_dense"), ("iris", "reuploading")):
        rows += made_rows.comparison(
            data={"name": name},
            model={"name": model},
            contenders=CONTENDERS,
            seeds=7,
            fails=[("rbf_svc", 3)],
        )
    rows += made_rows.comparison(data={"name": "digits"}, contenders=CONTENDERS, seeds=2)
    report.render(rows, folder)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def running() -> Iterator[webdriver.Chrome]:
    with browsers.chromium() as driver:
        yield driver


@pytest.fixture
def browser(running: webdriver.Chrome, page: str) -> Iterator[webdriver.Chrome]:
    resize(running, 1280)
    emulate(running, "prefers-color-scheme", "light")
    running.get(page)
    running.execute_script("localStorage.clear()")
    running.get(page)
    yield running
    assert running.get_log("browser") == []  # neither an error nor a warning on the console


def resize(browser: webdriver.Chrome, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def emulate(browser: webdriver.Chrome, feature: str, value: str) -> None:
    features = {"features": [{"name": feature, "value": value}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)


def column(browser: webdriver.Chrome, number: int) -> list[str]:
    """The texts of a column of the table of all results, of the rows that show."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#results-table tbody tr')]"
        ".filter(row => !row.hidden).map(row => row.cells[arguments[0]].innerText)",
        number,
    )
    return found


def head(browser: webdriver.Chrome, text: str) -> Any:
    heads = browser.find_elements(By.CSS_SELECTOR, "#results-table thead th")
    return next(one for one in heads if one.text == text)


def test_a_click_on_a_head_sorts_and_another_turns_the_order(browser: webdriver.Chrome) -> None:
    test_score = head(browser, "Test score")
    before = column(browser, 3)
    test_score.find_element(By.TAG_NAME, "button").click()
    numbers = [float(text.split()[0]) for text in column(browser, 3)]
    assert numbers == sorted(numbers)
    assert column(browser, 3) != before
    assert test_score.get_attribute("aria-sort") == "ascending"
    test_score.find_element(By.TAG_NAME, "button").click()
    assert [float(text.split()[0]) for text in column(browser, 3)] == numbers[::-1]
    assert test_score.get_attribute("aria-sort") == "descending"


def test_numbers_sort_by_size_and_what_is_missing_stays_last(browser: webdriver.Chrome) -> None:
    button = head(browser, "Parameters").find_element(By.TAG_NAME, "button")
    for order in (["100", "150", "154"], ["154", "150", "100"]):
        button.click()
        assert list(dict.fromkeys(column(browser, 9))) == [*order, "-"]
    difference = head(browser, "Difference")
    difference.find_element(By.TAG_NAME, "button").click()
    shown = column(browser, 4)
    assert shown[-4:] == [""] * 4  # of the hybrids, which differ from themselves by nothing
    numbers = [float(text.replace("\N{MINUS SIGN}", "-")) for text in shown[:-4]]
    assert numbers == sorted(numbers)


def test_a_head_is_reached_and_pressed_by_keyboard(browser: webdriver.Chrome) -> None:
    button = head(browser, "Contender").find_element(By.TAG_NAME, "button")
    button.send_keys("\ue007")  # Enter
    assert column(browser, 0) == sorted(column(browser, 0))


def test_a_model_is_filtered_everywhere(browser: webdriver.Chrome) -> None:
    count = browser.find_element(By.ID, "filter-count")
    assert count.text == "16 of 16 results"
    select = Select(browser.find_element(By.ID, "filter-model"))
    assert [option.text for option in select.options] == ["all", "pqc_dense", "reuploading"]
    select.select_by_visible_text("reuploading")
    assert set(column(browser, 1)) == {"reuploading"}
    assert count.text == "4 of 16 results"
    for kind in (".verdicts li", "details.comparison"):
        shown = [one for one in browser.find_elements(By.CSS_SELECTOR, kind) if one.is_displayed()]
        assert [one.get_attribute("data-model") for one in shown] == ["reuploading"]
    Select(browser.find_element(By.ID, "filter-data")).select_by_visible_text("wine")
    assert column(browser, 0) == []
    select.select_by_visible_text("all")
    assert set(column(browser, 2)) == {"wine"}


def test_contenders_and_words_are_filtered(browser: webdriver.Chrome) -> None:
    Select(browser.find_element(By.ID, "filter-contender")).select_by_value("rbf_svc")
    assert column(browser, 0) == ["RBF-SVC"] * 4
    browser.find_element(By.ID, "filter-text").send_keys("IRIS reup")
    assert column(browser, 1) == ["reuploading"]


def opened(browser: webdriver.Chrome) -> Any:
    """The first comparison: closed, for there are more than three, until its link opens it."""
    comparison = browser.find_element(By.CSS_SELECTOR, "details.comparison")
    assert comparison.get_attribute("open") is None
    browser.find_element(By.CSS_SELECTOR, ".verdicts a").click()
    WebDriverWait(browser, 5).until(lambda _: comparison.get_attribute("open"))
    return comparison


def test_a_legend_hides_a_contender_in_the_plots(browser: webdriver.Chrome) -> None:
    comparison = opened(browser)
    series = comparison.find_elements(By.CSS_SELECTOR, "[data-contender=rbf_svc].series")
    assert series
    assert all(one.is_displayed() for one in series)
    button = comparison.find_element(By.CSS_SELECTOR, ".legend [data-contender=rbf_svc]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not any(one.is_displayed() for one in series)
    button.click()
    assert all(one.is_displayed() for one in series)


def test_a_mark_says_what_it_is(browser: webdriver.Chrome) -> None:
    opened(browser)
    mark = browser.find_element(By.CSS_SELECTOR, "details[open] .series .mark")
    tip = browser.find_element(By.ID, "tip")
    assert not tip.is_displayed()
    browser.execute_script("arguments[0].focus()", mark)
    assert tip.is_displayed()
    assert tip.text.startswith("Dense same parameters: \N{MINUS SIGN}")
    assert "], 7 pairs, " in tip.text
    assert mark.get_attribute("aria-label") == tip.text


def test_a_curve_says_its_values_under_the_pointer(browser: webdriver.Chrome) -> None:
    opened(browser)
    browser.execute_script(
        """
        const svg = document.querySelector("details[open] svg[data-scales]");
        const trace = svg.querySelector("[data-contender=hybrid] .trace");
        const [x, y] = trace.getAttribute("d").split("L").at(-1).split(" ").map(Number);
        const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
        svg.dispatchEvent(new PointerEvent("pointermove", {
            clientX: box.left + x * scale, clientY: box.top + y * scale }));
        """
    )
    assert (
        browser.find_element(By.ID, "tip")
        .get_attribute("textContent")
        .startswith("Hybrid, epoch 12: 8")
    )


def background(browser: webdriver.Chrome) -> str:
    script = "return getComputedStyle(document.body).backgroundColor"
    colour: str = browser.execute_script(script)
    return colour


def test_the_style_follows_the_system_until_the_reader_chooses(browser: webdriver.Chrome) -> None:
    light = background(browser)
    emulate(browser, "prefers-color-scheme", "dark")
    dark = background(browser)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 24, 28)")
    theme = browser.find_element(By.ID, "theme")
    # The page hears of the system's change a moment after its style does.
    WebDriverWait(browser, 10).until(lambda _: theme.text == "Light")
    theme.click()
    assert (background(browser), theme.text) == (light, "Dark")
    browser.refresh()
    assert background(browser) == light  # remembered, though the system is dark
    emulate(browser, "prefers-color-scheme", "light")
    browser.find_element(By.ID, "theme").click()
    assert background(browser) == dark


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(browser: webdriver.Chrome, width: int) -> None:
    resize(browser, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    scroll, inner = browser.execute_script(script)
    assert scroll <= inner == width


def test_paper_shows_what_was_closed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    closed = "return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(closed) > 0
    browser.execute_script(
        "window.seen = 0; addEventListener('beforeprint', () => "
        "{ seen = document.querySelectorAll('details[open]').length; })"
    )
    printed = base64.b64decode(browser.print_page())
    assert printed.startswith(b"%PDF")
    assert browser.execute_script("return seen") == 8
    assert browser.execute_script(closed) > 0  # and afterwards it is as it was


def test_nothing_is_asked_of_the_network(browser: webdriver.Chrome, page: str) -> None:
    browser.get_log("performance")
    browser.get(page)
    sent = [entry["message"] for entry in browser.get_log("performance")]
    asked = [message for message in sent if "Network.requestWillBeSent" in message]
    assert len([message for message in asked if page not in message]) == 0
    assert asked


def test_without_scripts_everything_is_there(browser: webdriver.Chrome, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page)
        assert len(browser.find_elements(By.CSS_SELECTOR, "#results-table tbody tr")) == 16
        assert not browser.find_element(By.ID, "filters").is_displayed()
        summary = browser.find_element(By.CSS_SELECTOR, "details.comparison summary")
        summary.click()
        assert browser.find_element(By.CSS_SELECTOR, "details.comparison svg").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
