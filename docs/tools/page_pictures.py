"""Take the pictures of the browser page: python docs/tools/page_pictures.py [FOLDER].

The bundled track plays at its own pace before a chromium of the system (Debian's, driven by the
Python package playwright); a minute later the pictures are there, each under 150 kB.
"""

import base64
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright

from streammer.bus import Publisher
from streammer.clock import SystemClock
from streammer.estimate import MoodEstimate, new_epoch

ROOT = Path(__file__).parents[2]
PLAYED_S = 57.0
"""How much of the track is shown [s]."""

MOODS = {"Q2": (0.1, 0.9), "Q1": (0.9, 0.9), "Q3": (0.1, 0.1), "Q4": (0.9, 0.1)}
"""Moods whose ambient colours are shown: quadrant -> p_positive, p_energetic."""

MAX_BYTES = 150_000


def main(folder=ROOT / "docs" / "images"):
    """Take all pictures."""
    with ExitStack() as stack:
        driver = stack.enter_context(sync_playwright())
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        stack.callback(browser.close)
        demo = start(stack, "demo", "--no-open", "--port", "0", stdout=subprocess.PIPE)
        address = address_in(demo.stdout)
        pages = {
            "dark": opened(browser, address, 1600, 900, "dark"),
            "light": opened(browser, address, 1600, 900, "light"),
            "phone": opened(browser, address, 390, 844, "light"),
        }
        pages["dark"].keyboard.press("s")
        keep(folder / "page-ambient.webp", side_by_side(browser, ambient_scenes(stack, browser)))
        wait_for(pages["dark"], PLAYED_S)
        for name, page in pages.items():
            keep(folder / f"page-{name}.webp", picture(page, 88))


def ambient_scenes(stack, browser):
    """Return a picture of the ambient mode for each of `MOODS`, as made-up estimates."""
    bus = stack.enter_context(Publisher("tcp://127.0.0.1:0"))
    server = start(stack, "dash", "--connect", bus.endpoint, "--port", "0", stderr=subprocess.PIPE)
    page = opened(browser, address_in(server.stderr), 640, 360, "dark")
    epoch, scenes = new_epoch(SystemClock()), []
    for k, (quadrant, (positive, energetic)) in enumerate(MOODS.items()):
        for seq in range(24 * k, 24 * (k + 1)):
            now = time.time()
            bus.publish(
                MoodEstimate(
                    stream="main", epoch=epoch, seq=seq, t_audio_s=seq / 2, t_capture=now,
                    t_publish=now, valence=positive - 0.5, arousal=energetic - 0.5,
                    sigma_valence=0.2, sigma_arousal=0.2, p_positive=positive,
                    p_energetic=energetic, quadrant=quadrant, state="live", level_dbfs=-20.0,
                    lag_ms=3.0, model="default", lost_samples=0,
                )
            )  # fmt: skip
            time.sleep(0.5)
            if seq == 2:
                page.keyboard.press("f")
        scenes.append(picture(page, 90))
    return scenes


def start(stack, *arguments, **pipes):
    """Start a command of streammer; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streammer", *arguments], cwd=ROOT, text=True, **pipes
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def address_in(lines):
    """Return the address of the page, out of what its server prints."""
    return next(found.group() for line in lines if (found := re.search(r"http://\S+", line)))


def opened(browser, address, width, height, theme):
    """Open the page in a window."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme,
        device_scale_factor=2 if width < 500 else 1,
    )  # fmt: skip
    page = context.new_page()
    page.goto(address)
    return page


def wait_for(page, seconds):
    """Wait until so much of the track was played."""
    while True:
        minutes, rest = page.text_content("#heard").replace("–", "0:0").split(":")
        if 60 * int(minutes) + int(rest) >= seconds:
            return
        time.sleep(0.1)


def picture(page, quality):
    """Return what a page shows, as WebP."""
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
    return base64.b64decode(taken["data"])


def side_by_side(browser, scenes):
    """Return four pictures as one."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    sources = (f"data:image/webp;base64,{base64.b64encode(s).decode()}" for s in scenes)
    images = "".join(f'<img width="640" height="360" src="{source}">' for source in sources)
    style = "body{margin:0;width:1280px;font-size:0}"
    page.set_content(f"<style>{style}</style><body>{images}</body>")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    return picture(page, 85)


def keep(path, data):
    """Write a picture."""
    if len(data) >= MAX_BYTES:
        raise SystemExit(f"{path}: {len(data)} bytes; expected under {MAX_BYTES}")
    path.write_bytes(data)
    print(path, len(data), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
