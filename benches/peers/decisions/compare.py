"""Decisions from embeddings at hand: ours against the routers of llmrouter-lib and routellm, in one interleaved run. See README.md."""

import argparse
import io
import pickle
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy
import torch

import peers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import Ours, TARGET, interleaved, processor, ratio, table  # noqa: E402

# What each peer is held against: the same method with the same sizes, decided by a whole router of ours.
NETWORK = "members = 1\nheld_out = 0.0"
OURS = {
    "neighbors": '[[estimators]]\nuse = "neighbors"\nk = 5\ntemperature = 1e6\nshrinkage = 0.0',
    "mlp": f'[[estimators]]\nuse = "mlp"\nhidden = [128, 64]\nepochs = 30\n{NETWORK}',
    "matrix-factorization": f'[[estimators]]\nuse = "matrix-factorization"\nrank = 128\nepochs = 20\n{NETWORK}',
    "two-stage": '[discoverer]\nuse = "graph"\n[classifier]\nuse = "softmax"\n[[estimators]]\nuse = "moe"',
}
PEERS = {
    "llmrouter-lib, knn": "neighbors",
    "llmrouter-lib, mlp": "mlp",
    "llmrouter-lib, mf": "matrix-factorization",
    "routellm, mf": "matrix-factorization",
}


def clocked(work):
    start = time.perf_counter()
    chosen = work()
    return time.perf_counter() - start, chosen


def median_of_singles(decide, texts):
    nanoseconds, chosen = [], []
    for text in texts:
        start = time.perf_counter_ns()
        chosen.append(decide(text))
        nanoseconds.append(time.perf_counter_ns() - start)
    return statistics.median(nanoseconds) / 1e3, chosen


def kept(model):
    return lambda: model


def read_anew(model):
    stored = pickle.dumps(model)
    return lambda: pickle.load(io.BytesIO(stored))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=int, default=6_000)
    parser.add_argument("--asked", type=int, default=2_000)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--target", default=TARGET)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    n, asked, threads = arguments.training, arguments.asked, arguments.threads
    with tempfile.TemporaryDirectory() as out:
        given = [f"{name}={text}" for name, text in OURS.items()]
        ours = Ours("router-decisions-peer", out, n, asked, arguments.dimension, arguments.models, *given, target=arguments.target)
        ours.ask("neighbors single 1")  # Answers once everything is fitted and written.
        read = lambda name: numpy.fromfile(f"{out}/{name}.f32", "<f4").reshape(n + asked, -1)
        x, quality, skill = read("embeddings"), read("quality"), read("skill")
    encoder = peers.Encoder(x[n:])
    texts, to_decide = [str(row) for row in range(asked)], x[n:]
    reached = lambda chosen: float(skill[n:][numpy.arange(asked), numpy.asarray(chosen, dtype=int)].mean())
    single, batch, kernel = {}, {}, {}
    for name in OURS:
        single[name] = lambda name=name: ours.ask(f"{name} single 1")
        batch[name] = lambda name=name: ours.ask(f"{name} batch {threads}")
    for name, make in {"knn": peers.knn, "mlp": peers.mlp, "mf": peers.mf}.items():
        router, on_all = make(encoder, x[:n], quality[:n], kept)
        slow, _ = make(encoder, x[:n], quality[:n], read_anew)
        name = f"llmrouter-lib, {name}"
        add(single, batch, kernel, name, router, on_all, texts, to_decide)
        single[f"{name}, its file read every call"] = lambda slow=slow: median_of_singles(slow.single, texts[:200])
    router = peers.RouteLlm(encoder, x[:n], quality[:n])
    add(single, batch, kernel, "routellm, mf", router, router.kernel, texts, to_decide)

    times, quality_of = {}, {}
    for kind, jobs in {"single": single, "batch": batch, "kernel": kernel}.items():
        for name, results in interleaved(jobs, arguments.rounds).items():
            if name in OURS:
                times[kind, name] = [result["microseconds"] for result in results]
                quality_of[name] = results[0]["quality"]
            else:
                times[kind, name] = [result[0] for result in results]
                if len(results[0][1]) == asked:
                    quality_of.setdefault(name, reached(results[0][1]))
    ours.close()
    print(
        f"{n} training prompts, {asked} decisions, {arguments.models} models, {arguments.dimension} dimensions, {threads} thread(s), {arguments.rounds} interleaved "
        f"rounds, medians; {processor()}; llmrouter-lib {version('llmrouter-lib')}, routellm {version('routellm')}, torch {version('torch')}\n")
    median = lambda kind, name: f"{statistics.median(times[kind, name]):.1f}" if (kind, name) in times else "-"
    table(["", "single, microseconds", "batch, microseconds a decision", "quality"],
          [(name, median("single", name), median("batch", name), f"{quality_of[name]:.3f}") for name in OURS])
    rows = []
    for name, mine in PEERS.items():
        of = lambda kind, against: f"{ratio(times[kind, name], times[against, mine]):.0f}"
        anew = f"{name}, its file read every call"
        rows.append((
            name, mine, median("single", name), of("single", "single"), median("single", anew), median("batch", name), of("batch", "batch"),
            median("kernel", name), f"{ratio(times['kernel', name], times['batch', mine]):.1f}", f"{quality_of[name]:.3f}"))
    table(["peer", "against", "single", "peer / ours", "single, file read", "its batch", "peer / ours", "its network on all at once", "peer / ours", "quality"], rows)


def add(single, batch, kernel, name, router, on_all, texts, to_decide):
    def per_decision(work):
        seconds, chosen = clocked(work)
        return 1e6 * seconds / len(texts), chosen

    single[name] = lambda: median_of_singles(router.single, texts)
    batch[name] = lambda: per_decision(lambda: router.batch(texts))
    kernel[name] = lambda: per_decision(lambda: on_all(to_decide))


main()
