"""Measures our encoder and its peers in one interleaved run: prompts a second, cold start, peak memory.

    python measure.py MODELS --ours ../../../target/release/router-encoder-peer --json out.json

`MODELS` holds a folder of each model. Every peer is a process of its own that answers lines of JSON (see peer.py), so that
one that waits costs nothing. In each cell (tokens a text, texts a call, threads) the rounds alternate among all peers, and
every round starts with another one. Reported are medians of the rounds, tokenizer included; a ratio is the median of the
rounds' ratios, so that what slows a whole round cancels.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
PACKAGES = ["torch", "transformers", "sentence-transformers", "onnxruntime", "tokenizers", "numpy", "wordllama"]
WORDS = (
    "about after again because before between building carry children country different early every example family follow "
    "found great group house important keep large learn letter light little live mother mountain move music name never "
    "night number often open order page paper people picture place plant point river second sentence should small sound "
    "start state still story study thing think three together tree under until water while white without word work world"
).split()


@dataclass
class Peer:
    """One row of the tables. `static` rows are compared with each other only: they run no transformer."""

    name: str
    command: list[str]
    static: bool = False
    processes: dict[int, subprocess.Popen] = field(default_factory=dict)
    failure: str | None = None

    def start(self, threads: int, pin: bool) -> subprocess.Popen:
        environment = dict(os.environ)
        for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]:
            environment[name] = str(threads)
        environment["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
        # An old kernel forced on OpenBLAS would slow numpy without need.
        for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
            environment.pop(name, None)
        cores = sorted(os.sched_getaffinity(0))[:threads]
        command = [*self.command, "--threads", str(threads)]
        if pin:
            command = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
        # A file, since a pipe that nobody reads would stop a peer that prints much.
        complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115: lives as long as the process
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True, bufsize=1, env=environment
        )
        process.complaints = complaints
        return process


class PeerFailed(Exception):
    pass


def ask(process: subprocess.Popen, request: str, count: int) -> float:
    """Seconds that the peer says the request took, held against the clock on this side."""
    started = time.perf_counter()
    try:
        process.stdin.write(request)
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = ""
    outside = time.perf_counter() - started
    if not answer:
        process.wait()
        process.complaints.seek(0)
        raise PeerFailed((process.complaints.read().strip().splitlines() or [f"exit status {process.returncode}"])[-1])
    found = json.loads(answer)
    if found["count"] != count:
        raise PeerFailed(f"answered {found['count']} texts of {count}")
    if found["seconds"] > outside:
        raise PeerFailed(f"claims {found['seconds']} s of a call that took {outside} s")
    return found["seconds"]


def peak_memory(process: subprocess.Popen) -> int:
    """Largest resident memory so far, in bytes, pages of mapped files included (VmHWM)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise PeerFailed("no VmHWM in its status")


def stop(process: subprocess.Popen) -> None:
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass  # it is gone already
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.complaints.close()


class Texts:
    """Synthetic English, every text another one, cut to an exact number of the model's tokens with both special ones."""

    def __init__(self, tokenizer: Path):
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.words = [word for word in WORDS if len(self.tokenizer.encode(word).ids) == 3]
        self.random = random.Random(1)

    def of(self, tokens: int) -> str:
        text = " ".join(self.random.choice(self.words) for _ in range(tokens - 2))
        assert len(self.tokenizer.encode(text).ids) == tokens
        return text

    def requests(self, tokens: str, batch: int, count: int) -> list[str]:
        """`count` calls of `batch` texts. `mixed` is evenly spread on a log scale from 8 to 250 tokens, shuffled."""
        if tokens == "mixed":
            lengths = [round(8 * (250 / 8) ** (i / (batch - 1))) for i in range(batch)]
        else:
            lengths = [int(tokens)] * batch
        requests = []
        for _ in range(count):
            self.random.shuffle(lengths)
            requests.append(json.dumps([self.of(length) for length in lengths]) + "\n")
        return requests


def cells(given) -> list[tuple[str, int]]:
    """(tokens, batch); texts of mixed lengths make sense in a batch only."""
    return [(tokens, batch) for tokens in given.tokens for batch in given.batches if tokens != "mixed" or batch > 1]


def measure_speed(peers: list[Peer], texts: Texts, given, threads: int) -> list[dict]:
    running = [peer for peer in peers if peer.failure is None]
    results = []
    for tokens, batch in cells(given):
        count = given.requests if batch == 1 else 1
        requests = texts.requests(tokens, batch, count)
        speeds = {peer.name: [] for peer in running}
        for round_number in range(given.warm_up + given.rounds):
            shift = round_number % max(len(running), 1)
            for peer in running[shift:] + running[:shift]:
                if peer.failure is not None:
                    continue
                try:
                    # A static embedder takes microseconds a text: more calls make a round longer than the clock's noise.
                    repeats = 8 if peer.static else 1
                    seconds = sum(ask(peer.processes[threads], request, batch) for _ in range(repeats) for request in requests)
                except PeerFailed as failure:
                    peer.failure = str(failure)
                    continue
                if round_number >= given.warm_up:
                    speeds[peer.name].append(repeats * count * batch / seconds)
        for peer in running:
            if peer.failure is None:
                low, median, high = quartiles(speeds[peer.name])
                results.append(
                    {"peer": peer.name, "tokens": tokens, "batch": batch, "threads": threads, "static": peer.static,
                     "prompts_per_second": median, "lower_quartile": low, "upper_quartile": high, "rounds": speeds[peer.name]}
                )  # fmt: skip
        print(f"  {tokens} tokens, batch {batch}, {threads} threads: done", file=sys.stderr)
    return results


def quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def measure_cold_start(peers: list[Peer], texts: Texts, given) -> list[dict]:
    """Seconds from the start of a process to its first vector, and its peak memory then. Files are in the page cache."""
    request = texts.requests("20", 1, 1)[0]
    found = {peer.name: {"seconds": [], "peak_memory_bytes": []} for peer in peers}
    for round_number in range(given.cold_starts + 1):
        for peer in peers:
            if peer.failure is not None:
                continue
            started = time.perf_counter()
            process = peer.start(1, given.pin)
            try:
                ask(process, request, 1)
                seconds = time.perf_counter() - started
                if round_number > 0:
                    found[peer.name]["seconds"].append(seconds)
                    found[peer.name]["peak_memory_bytes"].append(peak_memory(process))
            except PeerFailed as failure:
                peer.failure = str(failure)
            stop(process)
    return [
        {"peer": peer.name, "seconds": statistics.median(found[peer.name]["seconds"]),
         "peak_memory_bytes": int(statistics.median(found[peer.name]["peak_memory_bytes"]))}
        for peer in peers
        if peer.failure is None
    ]  # fmt: skip


def machine() -> dict:
    cpu = Path("/proc/cpuinfo").read_text()
    lines = dict(line.split("\t: ", 1) for line in cpu.replace("\t\t", "\t").splitlines() if "\t: " in line)
    flags = lines.get("flags", "").split()
    of_interest = ["fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_int8"]
    return {
        "cpu": lines.get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [flag for flag in of_interest if flag in flags],
        "load_average_before": os.getloadavg()[0],
    }


def all_peers(given) -> list[Peer]:
    model, static = given.models / given.model, given.models / "wordllama"
    script = [sys.executable, str(HERE / "peer.py")]
    exported = HERE / "exported" / given.model
    rows = []
    if given.ours:
        ours = [str(given.ours), "--model", str(model)]
        for engine, precision in [("native", "f32"), ("native", "int8"), ("candle", "f32")]:
            rows.append(Peer(f"router {engine} {precision}", [*ours, "--engine", engine, "--precision", precision]))
    for name in ["sentence-transformers", "onnxruntime", "onnxruntime-int8"]:
        rows.append(Peer(name, [*script, name, "--model", str(model), "--exported", str(exported)]))
    if static.is_dir():
        if given.ours:
            command = [str(given.ours), "--model", str(static), "--engine", "native", "--precision", "f32"]
            rows.append(Peer("router static", command, static=True))
        rows.append(Peer("wordllama", [*script, "wordllama", "--model", str(static)], static=True))
    if given.only:
        unknown = set(given.only) - {row.name for row in rows}
        if unknown:
            sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are: {', '.join(row.name for row in rows)}")
        rows = [row for row in rows if row.name in given.only]
    return rows


def print_speed(results: list[dict], peers: list[Peer], given) -> None:
    columns = cells(given)
    for threads in given.threads:
        print(f"\nprompts a second, {threads} thread{'s' if threads > 1 else ''} (tokens x texts a call; median of {given.rounds} rounds)\n")
        print("| peer | " + " | ".join(f"{tokens} x {batch}" for tokens, batch in columns) + " |")
        print("|---|" + "---:|" * len(columns))
        for peer in peers:
            row = {(r["tokens"], r["batch"]): r for r in results if r["peer"] == peer.name and r["threads"] == threads}
            if row:
                print(f"| {peer.name} | " + " | ".join(f"{row[column]['prompts_per_second']:,.1f}" if column in row else "" for column in columns) + " |")
    print("\nhalf the distance of the quartiles, as a share of the median: "
          + f"{statistics.median((r['upper_quartile'] - r['lower_quartile']) / 2 / r['prompts_per_second'] for r in results):.0%} in the median cell, "
          + f"{max((r['upper_quartile'] - r['lower_quartile']) / 2 / r['prompts_per_second'] for r in results):.0%} at worst")  # fmt: skip


def print_ratios(results: list[dict], given) -> None:
    speed = {(r["peer"], r["tokens"], r["batch"], r["threads"]): r["rounds"] for r in results}

    def ratio_of(ours: str, peer: str, column: tuple) -> float | None:
        pair = speed.get((ours, *column)), speed.get((peer, *column))
        return statistics.median(a / b for a, b in zip(*pair, strict=True)) if all(pair) else None

    pairs = [
        (ours, peer)
        for ours in ["router native f32", "router native int8"]
        for peer in ["onnxruntime", "onnxruntime-int8", "sentence-transformers", "router candle f32"]
    ] + [("router static", "wordllama")]
    columns = [(tokens, batch, threads) for threads in given.threads for tokens, batch in cells(given)]
    rows = []
    for ours, peer in pairs:
        ratios = [ratio_of(ours, peer, column) for column in columns]
        if any(ratio is not None for ratio in ratios):
            rows.append(f"| {ours} / {peer} | " + " | ".join("" if ratio is None else f"{ratio:.2f}" for ratio in ratios) + " |")
    if rows:
        print("\nratios of speeds (tokens x texts a call, threads)\n")
        print("| | " + " | ".join(f"{tokens} x {batch}, {threads}" for tokens, batch, threads in columns) + " |")
        print("|---|" + "---:|" * len(columns))
        print("\n".join(rows))


def export_if_missing(given) -> None:
    folder = HERE / "exported" / given.model
    if not (folder / "report.json").exists():
        subprocess.run([sys.executable, str(HERE / "export.py"), str(given.models / given.model), str(folder)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="folder in MODELS of the encoder (default: %(default)s)")
    parser.add_argument("--ours", type=Path, help="our program, which speaks the same lines as peer.py")
    parser.add_argument("--only", action="append", metavar="PEER", help="measure this peer only; may be repeated")
    parser.add_argument("--tokens", type=lambda s: s.split(","), default=["20", "100", "250", "mixed"])
    parser.add_argument("--batches", type=lambda s: [int(n) for n in s.split(",")], default=[1, 32])
    parser.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds that are not counted")
    parser.add_argument("--requests", type=int, default=8, help="calls a round where a call is one text")
    parser.add_argument("--cold-starts", type=int, default=5)
    parser.add_argument("--pin", action="store_true", help="bind every process to as many cores as it has threads")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    given = parser.parse_args()
    export_if_missing(given)
    peers = all_peers(given)
    texts = Texts(given.models / given.model / "tokenizer.json")
    about = machine()

    cold = measure_cold_start(peers, texts, given)
    speed, memory = [], []
    for threads in given.threads:
        for peer in peers:
            if peer.failure is None:
                peer.processes[threads] = peer.start(threads, given.pin)
        speed += measure_speed(peers, texts, given, threads)
        for peer in peers:
            if threads in peer.processes:
                if peer.failure is None:
                    memory.append({"peer": peer.name, "threads": threads, "peak_memory_bytes": peak_memory(peer.processes[threads])})
                stop(peer.processes.pop(threads))
    about["load_average_after"] = os.getloadavg()[0]

    print(f"{about['cpu']}, {about['cores']} cores, {' '.join(about['instructions'])}; load average "
          f"{about['load_average_before']:.1f} before, {about['load_average_after']:.1f} after; model {given.model}")  # fmt: skip
    if speed:
        print_speed(speed, peers, given)
        print_ratios(speed, given)
    print("\n| peer | start to first vector, s | peak memory then, MB | " + " | ".join(f"peak memory of the whole run, {t} thread{'s' if t > 1 else ''}, MB" for t in given.threads) + " |")
    print("|---|---:|---:|" + "---:|" * len(given.threads))
    for row in cold:
        later = [m["peak_memory_bytes"] for t in given.threads for m in memory if m["peer"] == row["peer"] and m["threads"] == t]
        print(f"| {row['peer']} | {row['seconds']:.2f} | {row['peak_memory_bytes'] / 1e6:.0f} | " + " | ".join(f"{bytes_ / 1e6:.0f}" for bytes_ in later) + " |")
    failures = {peer.name: peer.failure for peer in peers if peer.failure is not None}
    for name, failure in failures.items():
        print(f"\nnot measured: {name}: {failure}")
    if given.json:
        report = {"machine": about, "model": given.model, "versions": {name: version(name) for name in PACKAGES}, "rounds": given.rounds,
                  "speed": speed, "cold_start": cold, "memory": memory, "failures": failures}  # fmt: skip
        report["exported"] = json.loads((HERE / "exported" / given.model / "report.json").read_text())
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
