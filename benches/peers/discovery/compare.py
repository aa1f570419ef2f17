"""Discovery against Python: scikit-learn's exact nearest neighbors, then leidenalg, on the same embeddings in the same run.

    python -m venv venv && venv/bin/pip install scikit-learn igraph leidenalg
    cargo build --release -p router-benches --bin growth
    venv/bin/python compare.py [PROMPTS] [ROUNDS]

Both join every prompt to its 30 nearest by cosine, weigh edges by the cosine and take the communities of highest modularity
(resolution 1); `graph` is also run as it is by default, with the agreement of ten models' rankings in its graph, which Python has no
counterpart of. Runs are interleaved; medians are printed.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import igraph
import leidenalg
import numpy
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

GROWTH = Path(__file__).resolve().parents[3] / "target" / "release" / "growth"
NEIGHBORS, DIMENSION, TASKS = 30, 384, 30


def by_python(points):
    wall, cpu = time.perf_counter(), time.process_time()
    search = NearestNeighbors(n_neighbors=NEIGHBORS + 1, algorithm="brute", metric="cosine").fit(points)
    distances, indices = search.kneighbors(points)
    weights = {}
    for row in range(len(points)):
        for other, distance in zip(indices[row], distances[row]):
            if other != row and distance < 1:
                weights[min(row, other), max(row, other)] = 1 - distance
    graph = igraph.Graph(n=len(points), edges=list(weights))
    kind = leidenalg.RBConfigurationVertexPartition
    found = leidenalg.find_partition(graph, kind, weights=list(weights.values()), n_iterations=2, seed=1)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return *spent, adjusted_rand_score(numpy.arange(len(points)) % TASKS, found.membership)


def by_us(prompts, parameters):
    command = [GROWTH, "measure", "discoverer", "graph", str(prompts), "10", json.dumps(parameters)]
    run = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return run["seconds"], run["processor_seconds"], run["quality"]


def main(prompts=20_000, rounds=3):
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([GROWTH, "export", str(prompts), file.name], check=True)
        points = numpy.fromfile(file.name, dtype="<f4").reshape(-1, DIMENSION)
    runs = {"scikit-learn, leidenalg": [], "graph, agreement = 0": [], "graph": []}
    for _ in range(rounds):
        runs["scikit-learn, leidenalg"].append(by_python(points))
        runs["graph, agreement = 0"].append(by_us(prompts, {"agreement": 0.0}))
        runs["graph"].append(by_us(prompts, {}))
    peer = [statistics.median(column) for column in zip(*runs["scikit-learn, leidenalg"])]
    print(f"n = {prompts}, {rounds} rounds, medians")
    for name, found in runs.items():
        wall, cpu, agreement = (statistics.median(column) for column in zip(*found))
        ratios = f"{peer[0] / wall:.2f} x wall, {peer[1] / cpu:.2f} x processor"
        print(f"{name}: {wall:.2f} s wall, {cpu:.2f} s processor, adjusted Rand index {agreement:.3f}; {ratios}")


main(*map(int, sys.argv[1:]))
