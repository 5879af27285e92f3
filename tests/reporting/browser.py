"""A headless Chromium for tests, spoken to in its DevTools protocol over two pipes: no driver, no port."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

_EXEC = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])"""
"""Becomes the browser, with the protocol on the two file descriptors where that looks for it."""


class Browser:
    """One tab. Whatever its pages throw, log as an error or are forbidden to do gathers in ``complaints``."""

    def __init__(self, chromium: str, profile: Path, width: int = 1280, height: int = 900) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._count = 0
        self._unread = b""
        commands, self._to = _high_pipe()
        self._from, answers = _high_pipe()
        options = ["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--no-sandbox"]
        options += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(commands), str(answers), chromium, *options],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def send(self, method: str, **parameters):
        """One command; its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, page: Path, ready: str) -> None:
        """Load a file and wait until an expression holds."""
        self.send("Page.navigate", url=page.as_uri())
        self.wait(f"location.href === {page.as_uri()!r} && document.readyState === 'complete' && ({ready})")

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Until an expression holds."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"{expression} never held; {self.complaints}"
            time.sleep(0.05)

    def evaluate(self, expression: str):
        """Value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key, down and up, where the focus is."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def mouse(self, kind: str, x: float, y: float, **more) -> None:
        """A mouse event at a point of the window."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def _read(self) -> dict:
        while b"\0" not in self._unread:
            part = os.read(self._from, 1 << 16)
            assert part, "Chromium has ended"
            self._unread += part
        text, self._unread = self._unread.split(b"\0", 1)
        message = json.loads(text)
        method, about = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif (method == "Log.entryAdded" and about["entry"]["level"] == "error") or (
            method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning")
        ):
            self.complaints.append(str(about))
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"][:80])
        return message


def _high_pipe() -> tuple[int, int]:
    """Ends of a pipe out of the way of descriptors 3 and 4."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD, 10))
        os.close(end)
    return ends[0], ends[1]
