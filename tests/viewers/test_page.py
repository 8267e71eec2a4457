"""The page in a real Chromium: what a person sees, at both widths and in both colour schemes."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ops.dashboard.app import make_app
from ops.dashboard.serve import serve
from tests.filled_ledger import PICTURE_STUDY, fill_a_day, fill_alerts, job_id_in, open_views, write_picture
from tests.optional import missing
from worker.jobs.job import JobState
from worker.ledger.views import LedgerViews

_REFRESH_DEADLINE_MS = 20_000
#: Of normal text, WCAG 2.2 1.4.3.
_LEAST_CONTRAST = 4.5


@dataclass(frozen=True, kw_only=True)
class House:
    """A served page and what stands behind it."""

    url: str
    ledger: LedgerViews
    results_root: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        missing("no Chromium in PATH: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def house(tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]) -> Iterator[House]:
    """The page over an empty ledger on a loopback port."""
    ledger, port, stop = open_views(tmp_path), free_port(), threading.Event()
    app = make_app(ledger, results_root=tmp_path / "results", version="1.2.3")
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", port, stop))
    thread.start()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/healthz").is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, what="the page")
        yield House(url=url, ledger=ledger, results_root=tmp_path / "results")
    finally:
        stop.set()
        thread.join(timeout=30)
        ledger.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab whose every console message and page error fails the test."""
    context = browser.new_context()
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert complaints == []


def test_a_person_finds_the_way_from_the_sentence_to_the_picture(house: House, page: Page) -> None:
    """State, jobs, job, study, picture: each is one click further, and the picture is drawn."""
    fill_a_day(house.ledger)
    write_picture(house.results_root, house.ledger, job_id_in(house.ledger, JobState.READ))
    page.goto(house.url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Attention: 1 job failed in the last 24 h")
    expect(page.locator(".failures li")).to_have_count(3)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Jobs").click()
    page.get_by_role("navigation", name="Filter by state").get_by_role("link", name="read", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("tbody tr").last.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("delivered")
    page.get_by_role("link", name=PICTURE_STUDY).click()
    expect(page.locator(".timeline li")).to_have_count(4)
    picture = page.get_by_role("img", name="What brain-structures found")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [64, 48]


def test_the_page_refreshes_itself(house: House, page: Page) -> None:
    """News appear without a reload, and without losing what the reader has scrolled to."""
    page.goto(house.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("All is well: nothing waits.")
    page.evaluate("window.sameDocument = true")
    fill_a_day(house.ledger)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Attention", timeout=_REFRESH_DEADLINE_MS)
    assert page.evaluate("window.sameDocument") is True


def test_a_page_that_has_lost_its_server_says_so(browser: Browser, house: House) -> None:
    """Old figures are never shown as if they were new."""
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(house.url)
    context.set_offline(offline=True)
    expect(tab.get_by_role("status")).to_contain_text("Out of date", timeout=_REFRESH_DEADLINE_MS)
    context.set_offline(offline=False)
    expect(tab.get_by_role("status")).to_have_text("Refreshes every 5 s", timeout=_REFRESH_DEADLINE_MS)
    context.close()


def test_refreshing_keeps_the_keyboards_place(house: House, page: Page) -> None:
    """The link that has the focus has it still after the content was replaced."""
    page.goto(house.url)
    page.locator('a[href="/jobs?state=failed"]').focus()
    fill_a_day(house.ledger)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Attention", timeout=_REFRESH_DEADLINE_MS)
    expect(page.locator('a[href="/jobs?state=failed"]')).to_be_focused()


def test_refreshing_can_be_paused(house: House, page: Page) -> None:
    """Whoever reads slowly stops the page from changing (WCAG 2.2.2), and lets it go on."""
    page.goto(house.url)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_have_text("Refreshes every 5 s")


def test_without_scripts_the_page_reloads_itself(browser: Browser, house: House) -> None:
    """A browser that runs no scripts shows the same and refreshes by the page's own header."""
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(house.url)
    expect(tab.get_by_role("heading", level=1)).to_have_text("All is well: nothing waits.")
    assert tab.locator("noscript meta[http-equiv=refresh]").count() == 1
    context.close()


@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_is_wider_than_its_window(house: House, page: Page, width: int) -> None:
    """On a phone and on a wall nothing scrolls sideways but a table in its own frame."""
    fill_a_day(house.ledger)
    fill_alerts(house.ledger)
    write_picture(house.results_root, house.ledger, job_id_in(house.ledger, JobState.READ))
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/", "/jobs", "/jobs/1", "/studies", f"/studies/{PICTURE_STUDY}"):
        page.goto(house.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(house: House, page: Page, scheme: str) -> None:
    """In both colour schemes every text has at least the contrast that WCAG 2.2 asks for (1.4.3)."""
    fill_a_day(house.ledger)
    fill_alerts(house.ledger)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in ("/", "/jobs", "/jobs/1", "/studies", f"/studies/{PICTURE_STUDY}"):
        page.goto(house.url + path)
        assert page.evaluate(_LOW_CONTRAST, _LEAST_CONTRAST) == [], path


#: Lists each text whose contrast with the nearest opaque ground is lower than the argument.
_LOW_CONTRAST = """least => {
  const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = colour => colour.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [a, b] = [parse(getComputedStyle(element).color), ground(element)].map(luminance).sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < least) low.push(walker.currentNode.data.trim());
  }
  return low;
}"""
