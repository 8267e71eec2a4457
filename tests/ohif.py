"""OHIF as a radiologist opens it: served beside an Orthanc with DICOMweb, in a headless Chromium.

It needs npm's package @ohif/app, unpacked: `.ci/run` puts it into `.cache/ohif`, $WETREAD_OHIF_DIST is another place.
"""

import http.server
import mimetypes
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.optional import missing

_UNPACKED = Path(__file__).resolve().parents[1] / ".cache/ohif/package/dist"
_DEADLINE_MS = 60_000
_SETTLED_MS = 60_000
_WINDOW = {"width": 1400, "height": 900}
#: Medical images are drawn by WebGL, which no server has hardware for.
_CHROMIUM = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
)
_CONFIGURATION = """window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 2,
  strictZSpacingForVolumeViewport: true, showCPUFallbackMessage: false, defaultDataSourceName: 'dicomweb',
  investigationalUseDialog: { option: 'never' },
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'dicomweb',
    configuration: {
      friendlyName: 'orthanc', name: 'orthanc', wadoUriRoot: '/wado', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, omitQuotationForMultipartRequest: true, bulkDataURI: { enabled: true },
    },
  }],
};"""


def ohif_folder() -> Path:
    """Return the folder of OHIF's pages; skip (fail in CI) where there is none."""
    folder = Path(os.environ.get("WETREAD_OHIF_DIST") or _UNPACKED)
    if not (folder / "index.html").is_file():
        missing(f"no OHIF in {folder}: npm pack @ohif/app@3.13.2, unpack it there or name it in $WETREAD_OHIF_DIST")
    return folder


@contextmanager
def served(folder: Path, port: int, archive_url: str) -> Iterator[str]:
    """Serve OHIF and, below /dicom-web, the archive, so that both have one origin; yields the address."""
    mimetypes.add_type("application/wasm", ".wasm")
    mimetypes.add_type("text/javascript", ".js")
    with httpx.Client(base_url=archive_url, timeout=60) as archive:
        handler = type("Handler", (_Handler,), {"folder": folder, "archive": archive})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with a file of OHIF, or with what the archive says."""

    protocol_version = "HTTP/1.1"
    folder: Path
    archive: httpx.Client

    def do_GET(self) -> None:
        """Answer a GET; an unknown path is a page of the application, which finds its own way."""
        path = self.path.split("?")[0]
        if path.startswith(("/dicom-web", "/wado")):
            self._forward()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", _CONFIGURATION.encode())
        else:
            file = self.folder / path.lstrip("/")
            file = file if file.is_file() else self.folder / "index.html"
            self._answer(200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes())

    def do_POST(self) -> None:
        """Pass a POST on to the archive."""
        self._forward()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class has this name
        """Say nothing."""

    def _forward(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() in ("accept", "content-type")}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.archive.request(self.command, self.path, headers=headers, content=body)
        self._answer(reply.status_code, reply.headers.get("Content-Type", ""), reply.content)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        # OHIF's workers share memory, which browsers allow to isolated pages only.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium that draws WebGL in software."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        missing("no Chromium in PATH: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_CHROMIUM))
        yield browser
        browser.close()


class Viewer:
    """One study opened in OHIF.

    Attributes:
        page: The tab.
        page_errors: What its scripts threw, which a radiologist sees as something that is missing.
    """

    def __init__(self, browser: Browser, address: str, study_instance_uid: str, artefacts: Path) -> None:
        self.page: Page = browser.new_page(viewport=_WINDOW)  # type: ignore[arg-type]
        self.page_errors: list[str] = []
        self._artefacts = artefacts
        self.page.set_default_timeout(_DEADLINE_MS)
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        self.page.goto(f"{address}/viewer?StudyInstanceUIDs={study_instance_uid}")
        self._thumbnails.first.wait_for()
        # The guided tour lies over everything.
        self.page.add_style_tag(
            content=".shepherd-modal-overlay-container, .shepherd-element { display: none !important; }"
        )
        self.settle()

    @property
    def series(self) -> list[str]:
        """What the study browser says of each series, on one line each."""
        return [text.replace("\n", " ") for text in self._thumbnails.all_inner_texts()]

    @property
    def viewport(self) -> Locator:
        """The frame in which images are drawn."""
        return self.page.locator('[data-cy="viewport-grid"]')

    @property
    def _thumbnails(self) -> Locator:
        return self.page.locator('[data-cy^="study-browser-thumbnail"]')

    def show(self, described: str, *, load: bool = False) -> None:
        """Open the series with this description as a person does.

        Args:
            described: Series Description (0008,103E), or a part of it that no other series has.
            load: Answer yes to OHIF's question whether it should load what the series says onto its images.
        """
        self._thumbnails.filter(has_text=described).first.dblclick()
        if load:
            self.page.locator('[data-cy="yes-hydrate-btn"]').click()
        self.settle()

    def open_panel(self, name: str) -> None:
        """Open a panel at the right, such as panelSegmentation."""
        self.page.locator(f'[data-cy="{name}-btn"]').click()
        self.settle()

    def settle(self) -> None:
        """Wait until the page has what it asked for and its picture no longer changes."""
        self.page.wait_for_load_state("networkidle")
        same, last = 0, b""
        for _ in range(_SETTLED_MS // 250):
            picture = self.page.screenshot()
            same = same + 1 if picture == last else 0
            if same == 4:
                return
            last = picture
            self.page.wait_for_timeout(250)
        pytest.fail("OHIF's picture did not come to rest")

    def text(self) -> str:
        """Return all that can be read on the page."""
        return self.page.inner_text("body")

    def picture(self, name: str) -> Image.Image:
        """Take a screenshot, keep it as an artefact and return it."""
        data = self.page.screenshot()
        self._artefacts.mkdir(parents=True, exist_ok=True)
        (self._artefacts / f"{name}.png").write_bytes(data)
        return Image.open(BytesIO(data)).convert("RGB")


__all__ = ["Viewer", "chromium", "expect", "ohif_folder", "served"]
