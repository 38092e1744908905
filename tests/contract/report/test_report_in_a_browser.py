"""The report's page in a real headless Chromium that has no network at all."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from webssl_eval.report.account import Account, Benchmarked, Example, Number, Picture, Subject
from webssl_eval.report.page import page
from webssl_eval.report.paper import paper_rows
from webssl_eval.report.series import series_of
from webssl_eval.report.thumbnails import drawing, thumbnail
from webssl_localcluster.tools import apt
from webssl_localcluster.tools.table import Apt

CHROMIUM = Apt("chromium", "chromium")
MAGENTA, CYAN, BAR = (230, 10, 200), (10, 200, 230), (0x1F, 0x6F, 0xB2)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


@pytest.fixture(scope="module")
def chromium() -> Path:
    missing = apt.missing_packages([CHROMIUM])
    if missing:
        apt.install(missing)
    found = apt.find(CHROMIUM)
    assert found is not None
    return found


def picture(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), colour).save(buffer, "PNG")
    return buffer.getvalue()


def example_account() -> Account:
    subject = Subject(
        "mine", "s3://runs/mine/c", "f" * 64, 4, 2 * 10**9, "1B", "dino", 224, ("s3://web/*.tar",)
    )
    # A row of the paper stands for a run's scores.
    whole = series_of([Account(subject)])[0]
    row = Benchmarked(
        ("vqa",), {name: Number(value) for name, value in paper_rows()[0].scores.items()}, whole.means
    )
    answer = Example("GQA", "Is it <script>alert(1)</script>?", "no", "no", 1.0, thumbnail(picture(MAGENTA)))
    media, data = drawing(picture(CYAN))
    return Account(subject, (row,), examples=(answer,), encoder_pictures=(Picture("features", media, data),))


def opened(chromium: Path, file: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    # In a network namespace of its own, where not even loopback is up.
    argv = [
        "unshare",
        "--net",
        str(chromium),
        *FLAGS,
        f"--user-data-dir={file.parent / 'profile'}",
        *flags,
        file.as_uri(),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the console says of the page; a blocked or failed load and a script that may not run are named there."""
    lines = done.stderr.splitlines()
    return [line for line in lines if "CONSOLE" in line and "source: chrome://" not in line]


def area(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=-1) < 12).sum())


def test_without_a_network_the_page_shows_its_tables_bars_and_pictures(
    chromium: Path, tmp_path: Path
) -> None:
    file, shot = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(page([example_account()], "today"))
    done = opened(chromium, file, "--window-size=1180,3600", f"--screenshot={shot}")
    assert told(done) == []
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert area(pixels, MAGENTA) > 150 * 150
    assert area(pixels, CYAN) > 150 * 150
    assert area(pixels, BAR) > 5 * 16 * 100


def test_what_the_browser_makes_of_the_page_holds_all_rows_and_no_script(
    chromium: Path, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page([example_account()], "today"))
    dom = opened(chromium, file, "--dump-dom").stdout
    assert dom.count("<tr") == 1 + 16 + 4 + 1
    assert dom.count("<img") == 2
    assert "<script" not in dom
    assert "Is it &lt;script&gt;alert(1)&lt;/script&gt;?" in dom


def test_an_address_outside_would_be_noticed(chromium: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    text = page([example_account()], "today")
    file.write_text(text.replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>'))
    done = opened(chromium, file, f"--screenshot={tmp_path / 'shot.png'}")
    assert any("Content Security Policy" in line for line in told(done))
