#!/usr/bin/env python3
"""Holds a report against what a person sees: opens it in headless Chromium, as a phone and a desktop, light, dark and printed.

    python3 router-eval/browser/check_report.py REPORT.html [--screenshots DIR] [--expect SECTION ...]

Fails on console messages, exceptions, requests to anywhere, missing or empty plots, text that leaves its plot, horizontal overflow,
text that cannot be told from its ground, and hover boxes that do not show. Needs Chromium (Debian: chromium) and Python's standard library; says so
aloud and succeeds where Chromium is absent. Screenshots are kept only where a folder is named, which belongs outside of the repository.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
# How often a hover box is looked for, a twentieth of a second apart.
PATIENCE = 60
# Width, height, scale, mobile.
SCREENS = {"phone": (390, 844, 2, True), "desktop": (1280, 900, 1, False)}
# WCAG's contrast for text of this size (AA), and for large text.
CONTRAST, LARGE_CONTRAST = 4.5, 3.0

MEASURE = r"""
(() => {
  const problems = [];
  const name = element => element.tagName.toLowerCase() + (element.getAttribute('class') ? '.' + element.getAttribute('class') : '');
  const shown = element => element.getClientRects().length > 0;
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    problems.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}`);
  }
  const scrolls = element => element.closest('.scroll, pre');
  for (const element of document.querySelectorAll('main *')) {
    if (!shown(element) || element.closest('svg') || scrolls(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1)) {
      problems.push(`${name(element)} reaches from ${box.left} to ${box.right}: ${element.textContent.slice(0, 40)}`);
    }
  }
  const plots = [...document.querySelectorAll('svg')].filter(shown);
  for (const plot of plots) {
    const frame = plot.getBoundingClientRect();
    if (frame.width < 200 || frame.height < 150) problems.push(`${name(plot)} is ${frame.width} x ${frame.height}`);
    const marks = plot.querySelectorAll('circle:not(.spot circle)');
    if (!marks.length) problems.push(`${name(plot)} shows no point`);
    for (const mark of plot.querySelectorAll('text, circle, polyline, line, rect')) {
      for (const attribute of mark.attributes) {
        if (/NaN|inf/.test(attribute.value) && attribute.name !== 'class') problems.push(`${name(mark)} has ${attribute.name} ${attribute.value}`);
      }
    }
    for (const text of plot.querySelectorAll('text')) {
      if (!shown(text)) continue;
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2) {
        problems.push(`the text "${text.textContent}" leaves ${name(plot)}`);
      }
    }
  }
  const channel = value => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const parse = color => { const parts = color.match(/[\d.]+/g).map(Number); return parts.length > 3 ? parts : [...parts, 1]; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const over = (top, below) => [0, 1, 2].map(at => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  let texts = 0;
  const faint = new Set();
  for (const element of document.querySelectorAll('main *')) {
    if (!shown(element) || ![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element);
    const inPlot = element.closest('svg');
    const color = over(parse(inPlot ? style.fill : style.color), ground(inPlot || element));
    const [a, b] = [luminance(color), luminance(ground(inPlot || element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.5 && parseInt(style.fontWeight) >= 700);
    texts += 1;
    if ((a + 0.05) / (b + 0.05) < (large ? LARGE : SMALL)) {
      faint.add(`${name(element)} has a contrast of ${((a + 0.05) / (b + 0.05)).toFixed(2)}: ${element.textContent.trim().slice(0, 30)}`);
    }
  }
  problems.push(...faint);
  const headings = [...document.querySelectorAll('h2')].map(element => element.textContent);
  const background = getComputedStyle(document.body).backgroundColor;
  return {problems, plots: plots.length, spots: [...document.querySelectorAll('.spot')].filter(shown).length, texts, headings,
          dark: luminance(parse(background)) < 0.2, title: document.title, height: document.documentElement.scrollHeight};
})()
""".replace("LARGE :", f"{LARGE_CONTRAST} :").replace(": SMALL", f": {CONTRAST}")

# Scrolls to the last mark of a plot that is shown, and tells where it stands; null if there is none to point at.
SPOT = r"""
(() => {
  const plot = [...document.querySelectorAll('svg')].filter(plot => plot.getClientRects().length)[NUMBER];
  const spots = plot.querySelectorAll('.spot > circle');
  if (!spots.length) return null;
  const spot = spots[spots.length - 1];
  spot.scrollIntoView({block: 'center'});
  const box = spot.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
})()
"""

# What is shown on hover: whether each box is within its plot and holds its text.
TIPS = r"""
[...document.querySelectorAll('.tip')].filter(tip => tip.getClientRects().length).map(tip => {
  const [box, frame] = [tip.getBoundingClientRect(), tip.closest('svg').getBoundingClientRect()];
  const edge = tip.querySelector('rect').getBoundingClientRect().right;
  const texts = [...tip.querySelectorAll('text')];
  return texts.length > 0 && box.left >= frame.left - 2 && box.right <= frame.right + 2
    && texts.every(text => text.textContent && text.getBoundingClientRect().right <= edge + 1);
})
"""


class Chromium:
    """A headless Chromium that is spoken to over a pipe (the DevTools protocol)."""

    def __init__(self, program, profile):
        self.to_read, their_write = os.pipe()
        their_read, self.to_write = os.pipe()

        def pipes():
            # It reads from 3 and writes to 4.
            read, write = os.dup(their_read), os.dup(their_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                   f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(command, preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(their_read)
        os.close(their_write)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.to_read, 1 << 16)
            if not part:
                raise SystemExit("Chromium ended early")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to_write, json.dumps(request).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"the check itself failed: {result['exceptionDetails']}")
        return result["result"].get("value")

    def point_at(self, x, y):
        """The hover boxes that are shown. The first move may meet the page as it was before it scrolled: it is repeated."""
        for turn in range(PATIENCE):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + turn % 2, y=y)
            tips = self.evaluate(TIPS)
            if tips:
                return tips
            time.sleep(0.05)
        return []

    def said(self, url):
        """What the console, the page and the network had to say."""
        found = []
        for event in self.events:
            method, what = event.get("method"), event.get("params", {})
            if method == "Log.entryAdded":
                found.append(f"log: {what['entry']['text']}")
            elif method == "Runtime.consoleAPICalled":
                found.append(f"console: {[argument.get('value') for argument in what['args']]}")
            elif method == "Runtime.exceptionThrown":
                found.append(f"exception: {what['exceptionDetails'].get('text')}")
            elif method == "Network.requestWillBeSent" and what["request"]["url"] not in (url, "about:blank"):
                asked = what["request"]["url"]
                if not asked.startswith("data:"):
                    found.append(f"it asks for {asked}")
        return found

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except (SystemExit, OSError, subprocess.TimeoutExpired):
            self.process.kill()


def views(browser):
    """Every screen, light and dark, the browser being set to it: its name and the scheme's."""
    for screen, (width, height, scale, mobile) in SCREENS.items():
        for scheme in ["light", "dark"]:
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
            browser.call("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": scheme}])
            yield screen, scheme


def amiss(found, scheme, sections):
    """What is wrong with a page that was measured: its ground, and the sections that are missing."""
    problems = [f"there is no section `{section}` among {found['headings']}" for section in sections if section not in found["headings"]]
    if found["dark"] != (scheme == "dark"):
        problems.append(f"the ground is {'dark' if found['dark'] else 'light'}")
    return problems


def check(browser, report, arguments):
    url = report.resolve().as_uri()
    problems = []
    for screen, scheme in views(browser):
        where = f"{screen}, {scheme}"
        browser.open(url)
        found = browser.evaluate(MEASURE)
        problems += [f"{where}: {problem}" for problem in browser.said(url) + found["problems"]]
        if found["plots"] < arguments.plots:
            problems.append(f"{where}: {found['plots']} plots are shown, not {arguments.plots}")
        if found["texts"] < 20:
            problems.append(f"{where}: only {found['texts']} texts")
        problems += [f"{where}: {problem}" for problem in amiss(found, scheme, arguments.expect)]
        for number in range(found["plots"]):
            spot = browser.evaluate(SPOT.replace("NUMBER", str(number)))
            if not spot:
                problems.append(f"{where}: plot {number} has nothing to point at")
                continue
            tips = browser.point_at(spot[0], spot[1])
            if not tips:
                problems.append(f"{where}: pointing at a mark of plot {number} shows nothing")
            elif not all(tips):
                problems.append(f"{where}: what is shown over plot {number} is empty, or leaves its box or the plot")
            if arguments.screenshots and number == 0:
                save(browser, arguments.screenshots / f"{report.stem}-{screen}-{scheme}-hover.png")
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=0, y=0)
        if arguments.screenshots:
            browser.evaluate("document.querySelector('details') && (document.querySelector('details').open = true); scrollTo(0, 0)")
            save_whole(browser, screen, arguments.screenshots / f"{report.stem}-{screen}-{scheme}.png", 16000)
    browser.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.call("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
    browser.open(url)
    printed = browser.evaluate(MEASURE)
    if printed["dark"]:
        problems.append("printed: the paper is dark")
    problems += [f"printed: {problem}" for problem in printed["problems"] if "wide in a window" in problem]
    pdf = base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])
    if not pdf.startswith(b"%PDF") or len(pdf) < 10_000:
        problems.append(f"printed: a PDF of {len(pdf)} bytes")
    if arguments.screenshots:
        (arguments.screenshots / f"{report.stem}.pdf").write_bytes(pdf)
    return problems


def save(browser, path):
    path.write_bytes(base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"]))


def save_whole(browser, screen, path, most):
    """A picture of the page from its top to its end, or so many pixels."""
    width, _, _, mobile = SCREENS[screen]
    height = min(browser.evaluate("document.documentElement.scrollHeight"), most)
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
    save(browser, path)


def main():
    parser = argparse.ArgumentParser(description="Holds a report against what a person sees, in headless Chromium.")
    parser.add_argument("report", type=pathlib.Path, nargs="+")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder outside of the repository to keep screenshots in")
    parser.add_argument("--expect", nargs="*", default=[], help="headings of sections that must be there")
    parser.add_argument("--plots", type=int, default=1, help="plots that must be shown at least")
    arguments = parser.parse_args()
    for report in arguments.report:
        if not report.is_file():
            parser.error(f"there is no report {report}")
    program = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if program is None:
        print("SKIPPED: the report was not looked at, since there is no Chromium here (Debian: apt-get install chromium)")
        return 0
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        try:
            for report in arguments.report:
                problems = check(browser, report, arguments)
                failed = failed or bool(problems)
                print(f"{report}: {'as it must be' if not problems else f'{len(problems)} problems'}")
                for problem in problems:
                    print(f"  {problem}")
        finally:
            browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
