"""A headless Chromium by its DevTools protocol, for tests that draw or touch, without a driver."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsers import BROWSER

NEEDS_CHROMIUM = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")

PATIENCE_S = 60.0


class Page:
    """A page of the browser.

    Attributes:
        events: What the browser has told, such as requests and lines of the console.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def run(self, expression: str) -> Any:
        """Returns the value of an expression in JavaScript."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.run(expression):
            assert time.monotonic() < end, f"not true in {PATIENCE_S} s: {expression}"
            time.sleep(0.02)

    def screen(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """Takes another size of the screen, with fingers or a mouse, in light or dark colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1 + phone, "mobile": phone}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Loads a page."""
        self.events.clear()
        self.send("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def drag(self, points: list[tuple[float, float]], *, finger: bool = False) -> None:
        """Moves the pressed mouse, or a finger, along points of the screen."""
        for i, (x, y) in enumerate(points):
            if finger:
                kind = "touchMove" if i else "touchStart"
                self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            else:
                self._mouse("mouseMoved" if i else "mousePressed", x, y)
        if finger:
            self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            self._mouse("mouseReleased", *points[-1])

    def _mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def requested(self) -> list[str]:
        """Returns the addresses that were asked for since the page began to load."""
        self.run("0")  # reads what has come
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Returns the errors and warnings of the console since the page began to load."""
        self.run("0")
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Log.entryAdded":
                entry = parameters["entry"]
                if entry["level"] in ("error", "warning"):
                    found.append(f"{entry['text']} {entry.get('url', '')}")
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            called = event.get("method") == "Runtime.consoleAPICalled"
            if called and parameters["type"] in ("error", "warning"):
                found.append(str(parameters["args"]))
        return found


@contextlib.contextmanager
def page(folder: Path) -> Iterator[Page]:
    """Starts the browser with an empty page, and ends it.

    Args:
        folder: An empty folder for its profile.
    """
    import websocket

    # The sandbox does not run as root; a container's shared memory may be too small for a page.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [str(BROWSER), "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *sandbox]
    command += ["--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    browser = subprocess.Popen([*command, "about:blank"], **quiet)  # type: ignore[call-overload]
    try:
        said, end = folder / "DevToolsActivePort", time.monotonic() + PATIENCE_S
        while not (said.exists() and said.read_text().count("\n")):
            assert browser.poll() is None, f"Chromium ended with {browser.returncode}"
            assert time.monotonic() < end, "Chromium opens no port"
            time.sleep(0.05)
        port = said.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            targets = json.load(answer)
        address = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
        socket = websocket.create_connection(address, timeout=PATIENCE_S, suppress_origin=True)
        try:
            yield Page(socket)
        finally:
            socket.close()
    finally:
        browser.terminate()
        browser.wait()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on this machine and gives its address, which ends with a slash."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
