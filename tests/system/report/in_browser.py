"""A page in the window and the scheme that a reader has, and all of its controls used once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CONTROLS = Path(__file__).with_name("controls.js").read_text(encoding="utf-8")
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
"""--paper of style.css: #ffffff and #14171b."""
settings = pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (420, "dark")])


def wait(browser: Chrome, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda chrome: chrome.execute_script(script))


@contextmanager
def seen(browser: Chrome, page: Path, width: int, scheme: str, ready: str) -> Iterator[None]:
    """The page anew in a window of that width; a narrow one is a phone's, without a pointer."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 640}
    dark = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    try:
        browser.get("about:blank")
        browser.get(page.as_uri())
        wait(browser, ready)
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == PAPER[scheme]
        yield
        assert [entry["message"] for entry in browser.get_log("browser")] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def use_all(browser: Chrome, folder: Path, width: int, home: str = "body") -> set[str]:
    """Uses every control in ``home``; what it saves goes to ``folder``. Each changed something,
    none lay under something else, all text can be read, and the page stayed within its window."""
    where = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    browser.set_script_timeout(300)
    found: dict[str, Any] = browser.execute_async_script(
        CONTROLS + "const [home, done] = arguments;"
        "useAll(home).then(done, (error) => done({ error: String(error.stack) }))", home,
    )  # fmt: skip
    assert "error" not in found, found
    problems = {name: found[name] for name in ("idle", "covered", "faint")}
    assert not any(problems.values()) and found["wide"] <= width, (problems, found["wide"])
    return set(found["used"])
