"""A headless Chromium for tests, driven through chromedriver's HTTP interface (W3C WebDriver)."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def missing() -> str | None:
    """Why pages cannot be looked at here; None where they can."""
    if not any(map(shutil.which, BROWSERS)):
        return f"no browser is installed; looked for {', '.join(BROWSERS)}"
    if not shutil.which("chromedriver"):
        return "chromedriver is not installed"
    return None


class Browser:
    """One tab."""

    def __init__(self, address: str, session: str) -> None:
        self.address, self.session = address, session

    def send(self, path: str, **content: Any) -> Any:
        return _post(f"{self.address}/session/{self.session}/{path}", content)

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of the Chrome DevTools protocol."""
        return self.send("goog/cdp/execute", cmd=command, params=parameters)

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Shows a file at a size in CSS pixels, in the light or the dark scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.send("url", url=page.resolve().as_uri())

    def run(self, script: str) -> Any:
        """What a JavaScript function body returns."""
        return self.send("execute/sync", script=script, args=[])

    def press(self, key: str) -> None:
        """A key, by its WebDriver code."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.send("actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def console(self) -> list[str]:
        """Warnings and errors since the last time."""
        entries = self.send("se/log", type="browser")
        return [one["message"] for one in entries if one["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        events = [
            json.loads(one["message"])["message"] for one in self.send("se/log", type="performance")
        ]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, path: Path) -> Path:
        """The whole page as PNG."""
        taken = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with nothing in its profile, ended with the block."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        browser = _browser(_address(driver), profile)
        try:
            yield browser
        finally:
            _send("DELETE", f"{browser.address}/session/{browser.session}")
    finally:
        driver.terminate()
        driver.wait(timeout=10)


def _address(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    for line in driver.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return f"http://127.0.0.1:{found[1]}"
    raise OSError("chromedriver ended before it listened")


def _browser(address: str, profile: Path) -> Browser:
    options = {
        "binary": next(path for path in map(shutil.which, BROWSERS) if path),
        "args": [*SWITCHES, f"--user-data-dir={profile}"],
    }
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    made = _post(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
    return Browser(address, made["sessionId"])


def _post(address: str, content: dict[str, Any]) -> Any:
    return _send("POST", address, json.dumps(content).encode())


def _send(method: str, address: str, content: bytes | None = None) -> Any:
    request = urllib.request.Request(
        address, content, {"Content-Type": "application/json"}, method=method
    )
    # No proxy: the driver listens on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)["value"]
