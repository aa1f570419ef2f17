"""Holds our Leiden against igraph's and leidenalg's.

    python compare.py fixtures ../../../router-plugins/tests/fixtures/leiden.json
    python compare.py time [--rounds 7]

The first writes the reference values that the tests read; the second times all three in one interleaved run. See README.md.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import igraph
import leidenalg
from sklearn.metrics import normalized_mutual_info_score

from graphs import GRAPHS, checksum

SEEDS = 5


def build(edges, n):
    graph = igraph.Graph(n=n, edges=[(a, b) for a, b, _ in edges])
    graph.es["weight"] = [float(w) for _, _, w in edges]
    return graph


def by_igraph(graph, seed, iterations=-1):
    random.seed(seed)
    return graph.community_leiden(objective_function="modularity", weights="weight", n_iterations=iterations)


def by_leidenalg(graph, seed, iterations=-1):
    return leidenalg.find_partition(
        graph, leidenalg.RBConfigurationVertexPartition, weights="weight", n_iterations=iterations, seed=seed
    )


def modularity(graph, membership):
    return graph.modularity(membership, weights="weight")


def fixtures(path):
    found = {"igraph": igraph.__version__, "leidenalg": leidenalg.version, "graphs": {}}
    for name, make in GRAPHS.items():
        n, edges = make()
        graph = build(edges, n)
        runs = {
            "igraph": [by_igraph(graph, seed).membership for seed in range(SEEDS)],
            "leidenalg": [by_leidenalg(graph, seed).membership for seed in range(SEEDS)],
        }
        values = {peer: [modularity(graph, labels) for labels in all_labels] for peer, all_labels in runs.items()}
        best = max(zip(values["leidenalg"], runs["leidenalg"]))[1]
        agreement = [normalized_mutual_info_score(best, labels) for labels in runs["igraph"] + runs["leidenalg"]]
        print(f"{name}: {n} nodes, {len(edges)} edges, {max(best) + 1} communities, {values}, their own NMI {min(agreement):.3f}")
        found["graphs"][name] = {
            "nodes": n,
            "edges": len(edges),
            "checksum": str(checksum(edges)),
            "igraph": statistics.mean(values["igraph"]),
            "leidenalg": statistics.mean(values["leidenalg"]),
            "least_nmi_among_references": min(agreement),
            "labels": " ".join(map(str, best)),
        }
    Path(path).write_text(json.dumps(found, indent=1) + "\n")


def ours():
    """The Rust side as a server: a line `graph seed` in, a line `seconds quality communities` out."""
    root = Path(__file__).resolve().parents[3]
    command = ["cargo", "test", "--release", "-q", "-p", "router-plugins", "--test", "leiden", "--"]
    command += ["--ignored", "--exact", "serve_timings", "--nocapture", "--test-threads=1"]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def ask(server, line):
    server.stdin.write(line + "\n")
    server.stdin.flush()
    while True:
        answer = server.stdout.readline()
        if answer.startswith("timing "):
            seconds, quality, _ = answer.split()[1:]
            return float(seconds), float(quality)
        if not answer:
            sys.exit("the Rust side ended")


def clocked(work):
    start = time.perf_counter()
    partition = work()
    return time.perf_counter() - start, partition


def timings(rounds):
    server = ours()
    print(f"igraph {igraph.__version__}, leidenalg {leidenalg.version}; medians of {rounds} interleaved rounds")
    print("graph      passes  ours ms  igraph ms  leidenalg ms  igraph/ours  leidenalg/ours  modularity ours igraph leidenalg")
    for name, make in GRAPHS.items():
        n, edges = make()
        graph = build(edges, n)
        for iterations in (2, -1):
            times, values = {}, {}
            for seed in range(rounds):
                runs = {
                    "ours": lambda: ask(server, f"{name} {seed} {iterations}"),
                    "igraph": lambda: clocked(lambda: by_igraph(graph, seed, iterations)),
                    "leidenalg": lambda: clocked(lambda: by_leidenalg(graph, seed, iterations)),
                }
                for peer, run in runs.items():
                    seconds, result = run()
                    quality = result if peer == "ours" else modularity(graph, result.membership)
                    times.setdefault(peer, []).append(seconds)
                    values.setdefault(peer, []).append(quality)
            ms = {peer: 1000 * statistics.median(all_times) for peer, all_times in times.items()}
            mean = {peer: statistics.mean(all_values) for peer, all_values in values.items()}
            print(
                f"{name:<10} {'all' if iterations < 0 else iterations:>6}  {ms['ours']:7.1f}  {ms['igraph']:9.1f}  {ms['leidenalg']:12.1f}"
                f"  {ms['igraph'] / ms['ours']:11.2f}  {ms['leidenalg'] / ms['ours']:14.2f}"
                f"  {mean['ours']:.5f} {mean['igraph']:.5f} {mean['leidenalg']:.5f}"
            )
    server.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["fixtures"] and len(sys.argv) == 3:
        fixtures(sys.argv[2])
    elif sys.argv[1:2] == ["time"]:
        timings(int(sys.argv[3]) if sys.argv[2:3] == ["--rounds"] else 7)
    else:
        sys.exit(__doc__)
