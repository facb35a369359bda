"""Watch mode in a real terminal."""

import os
import re
import select
import subprocess
import sys
import time

import pytest

from autograd_lite.learn.exercise import load_track
from autograd_lite.learn.folder import Folder

pty = pytest.importorskip("pty")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACK = load_track()
ADD = TRACK.find("add")


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, folder):
        self.leader, follower = pty.openpty()
        self.seen = ""
        code = "import sys; from autograd_lite.learn.cli import main; sys.exit(main(['watch']))"
        env = {**os.environ, "PYTHONPATH": ROOT, "TERM": "xterm"}
        env.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=follower, stdout=follower, stderr=follower, cwd=folder, env=env
        )
        os.close(follower)

    def read(self, seconds):
        if select.select([self.leader], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.leader, 65536).decode()
            except OSError:
                return False
        return True

    def wait_for(self, text, seconds=30.0):
        """Wait until a text appears after all that was waited for before; return how long it took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.seen)
            if text in plain:
                self.seen = plain.split(text, 1)[1]
                return time.monotonic() - start
            self.read(0.02)
        raise AssertionError(f"{text!r} did not appear in:\n{self.seen}")

    def press(self, key):
        os.write(self.leader, key.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.leader)


@pytest.fixture
def terminal(tmp_path):
    Folder.create(tmp_path / "mine")
    terminal = Terminal(tmp_path / "mine")
    terminal.file = tmp_path / "mine" / ADD.file
    yield terminal
    terminal.close()


def save(path, text):
    """Save as many editors do: a new file, moved over the old one."""
    path.with_suffix(".tmp").write_text(text)
    os.replace(path.with_suffix(".tmp"), path)


def test_watch_checks_on_save_and_answers_keys(terminal, tmp_path):
    terminal.wait_for("[q] quit")
    delays = []
    for wrong in ADD.wrong[:3]:
        save(terminal.file, wrong.code.text)
        delays.append(terminal.wait_for("This is: " + wrong.message[:30]))
        terminal.wait_for("[q] quit")
    assert min(delays) < 1.0
    terminal.press("h")
    terminal.wait_for("Hint 1 of 3")
    terminal.press("t")
    terminal.wait_for("b = -0.13")
    terminal.press("n")
    terminal.wait_for("This one first: Add")
    terminal.press("s")
    terminal.wait_for("[y/N]")
    terminal.press("n")
    terminal.press("l")
    terminal.wait_for("35      6_engine/1_engine")
    terminal.wait_for("[q] quit")
    save(terminal.file, ADD.solution.text)
    terminal.wait_for("all 2 gradients are right")
    terminal.wait_for("[n] next")
    assert Folder.find(tmp_path / "mine").count() == 1
    terminal.press("n")
    terminal.wait_for("02 multiply")
    save(terminal.file, "def add_backward(g, a, b):\n    return g\n")  # another one than the current one is saved
    terminal.wait_for("returns a float where 2 values are needed")
    assert Folder.find(tmp_path / "mine").count() == 0
    terminal.wait_for("[q] quit")
    terminal.press("x")
    terminal.wait_for("[y/N]")
    terminal.press("y")
    terminal.wait_for("Not written yet")
    terminal.press("q")
    assert terminal.process.wait(10) == 0


def test_colours_are_for_terminals_and_ctrl_c_leaves(terminal):
    terminal.wait_for("[q]")
    save(terminal.file, ADD.wrong[0].code.text)
    while "\x1b[31m" not in terminal.seen:
        assert terminal.read(30.0)
    terminal.process.send_signal(2)
    assert terminal.process.wait(10) == 0


def test_watch_outside_of_a_terminal_goes_on_by_itself(tmp_path):
    folder, _ = Folder.create(tmp_path / "mine")
    for exercise in TRACK.exercises[:-1]:
        folder.file(exercise).write_text(exercise.solution.text)
        folder.record(exercise, True)
    folder.file(TRACK.exercises[-1]).write_text(TRACK.exercises[-1].solution.text)
    code = "import sys; from autograd_lite.learn.cli import main; sys.exit(main(['watch']))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder.path,
        env={**os.environ, "PYTHONPATH": ROOT},
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert "\x1b" not in found.stdout
    assert "35/35" in found.stdout
