"""What the comparisons share: our side as a process that answers lines, interleaved rounds, tables in Markdown."""

import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "target" / "release"


class Ours:
    """A binary of ours that answers every line of its input with a line of JSON."""

    def __init__(self, binary, *arguments, target=TARGET):
        program = Path(target) / binary
        if not program.exists():
            sys.exit(f"{program} is missing: cargo build --release -p router-benches --bins")
        command = [str(program), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"our side ended at `{line}`")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def interleaved(jobs, rounds):
    """Runs every job (a name and a function of nothing that returns numbers) once a round, each round beginning with another one.
    Gives the results by name, a list of rounds each."""
    names, found = list(jobs), {name: [] for name in jobs}
    for turn in range(rounds):
        for at in range(len(names)):
            name = names[(at + turn) % len(names)]
            found[name].append(jobs[name]())
    return found


def ratio(peer, ours):
    """The median of the rounds' ratios, so that what slows a whole round cancels."""
    return statistics.median(theirs / mine for theirs, mine in zip(peer, ours))


def table(head, rows):
    """Prints a table in Markdown: the first column to the left, all others to the right."""
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print()


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
