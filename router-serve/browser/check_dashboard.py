#!/usr/bin/env python3
"""Holds a gateway's dashboard against what a person sees: opens it in headless Chromium, as a phone and a desktop, light and dark.

    python3 router-serve/browser/check_dashboard.py http://127.0.0.1:8080/dashboard [--screenshots DIR]

Fails on console messages, exceptions, requests to anywhere else, horizontal overflow, text that cannot be told from its ground, missing sections, and a box
that does not answer. Needs Chromium (Debian: chromium) and Python's standard library; says so aloud and succeeds where Chromium is absent.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "router-eval" / "browser"))
from check_report import BROWSERS, MEASURE, Chromium, amiss, save_whole, views  # noqa: E402

SECTIONS = ["Decisions of the last hour", "Models", "Upstreams", "Tasks", "Try a prompt"]
# How often something is waited for, a tenth of a second apart.
PATIENCE = 100


def until(browser, script):
    for _ in range(PATIENCE):
        found = browser.evaluate(script)
        if found:
            return found
        time.sleep(0.1)
    return None


def check(browser, url, screenshots):
    own = urllib.parse.urlsplit(url)
    problems = []
    for screen, scheme in views(browser):
        where = f"{screen}, {scheme}"
        browser.open(url)
        if not until(browser, "document.querySelectorAll('#models tbody tr').length"):
            problems.append(f"{where}: no numbers are shown: {browser.evaluate('document.body.innerText')[:200]}")
            continue
        browser.evaluate("document.querySelector('#try button').click()")
        if not until(browser, "document.querySelectorAll('#scores tbody tr').length"):
            problems.append(f"{where}: the box does not answer")
        found = browser.evaluate(MEASURE)
        # The sections hold no plots of a report.
        problems += [f"{where}: {problem}" for problem in found["problems"] + amiss(found, scheme, SECTIONS)]
        for said in browser.said(url):
            asked = urllib.parse.urlsplit(said.removeprefix("it asks for "))
            if not said.startswith("it asks for ") or asked.netloc != own.netloc:
                problems.append(f"{where}: {said}")
        if screenshots:
            save_whole(browser, screen, screenshots / f"dashboard-{screen}-{scheme}.png", 8000)
    return problems


def main():
    parser = argparse.ArgumentParser(description="Holds a gateway's dashboard against what a person sees, in headless Chromium.")
    parser.add_argument("url")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder outside of the repository to keep screenshots in")
    arguments = parser.parse_args()
    program = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if program is None:
        print("SKIPPED: the dashboard was not looked at, since there is no Chromium here (Debian: apt-get install chromium)")
        return 0
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        try:
            problems = check(browser, arguments.url, arguments.screenshots)
        finally:
            browser.close()
    print(f"{arguments.url}: {'as it must be' if not problems else f'{len(problems)} problems'}")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
