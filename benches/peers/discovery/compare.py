"""Discovery against Python, on the same embeddings in one interleaved run: graphs against scikit-learn's neighbors and leidenalg, k-means against scikit-learn's.

    ../setup.sh discovery
    cargo build --release -p router-benches --bin growth
    venv/bin/python compare.py [PROMPTS] [ROUNDS]

Both graphs join every prompt to its 30 nearest by cosine, weigh edges by the cosine and take the communities of highest modularity
(resolution 1); `graph` is also run as it is by default, with the agreement of ten models' rankings in its graph, which Python has no
counterpart of. Both k-means look for 30 clusters with four starts.
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
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import TARGET, interleaved, processor, ratio, table  # noqa: E402

NEIGHBORS, DIMENSION, TASKS = 30, 384, 30


def clocked(points, find):
    wall, cpu = time.perf_counter(), time.process_time()
    labels = find(points)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return *spent, adjusted_rand_score(numpy.arange(len(points)) % TASKS, labels)


def communities(points):
    search = NearestNeighbors(n_neighbors=NEIGHBORS + 1, algorithm="brute", metric="cosine").fit(points)
    distances, indices = search.kneighbors(points)
    weights = {}
    for row in range(len(points)):
        for other, distance in zip(indices[row], distances[row]):
            if other != row and distance < 1:
                weights[min(row, other), max(row, other)] = 1 - distance
    graph = igraph.Graph(n=len(points), edges=list(weights))
    kind = leidenalg.RBConfigurationVertexPartition
    return leidenalg.find_partition(graph, kind, weights=list(weights.values()), n_iterations=2, seed=1).membership


def clusters(points):
    return KMeans(TASKS, n_init=4, random_state=0).fit(points).labels_


def by_us(name, prompts, parameters):
    command = [TARGET / "growth", "measure", "discoverer", name, str(prompts), "10", json.dumps(parameters)]
    run = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return run["seconds"], run["processor_seconds"], run["quality"]


def main(prompts=20_000, rounds=3):
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([TARGET / "growth", "export", str(prompts), file.name], check=True)
        points = numpy.fromfile(file.name, dtype="<f4").reshape(-1, DIMENSION)
    against = {
        "scikit-learn, leidenalg": "scikit-learn, leidenalg",
        "`graph`, `agreement = 0` (the same problem)": "scikit-learn, leidenalg",
        "`graph`": "scikit-learn, leidenalg",
        "scikit-learn `KMeans`": "scikit-learn `KMeans`",
        "`kmeans`": "scikit-learn `KMeans`",
    }
    jobs = [
        lambda: clocked(points, communities),
        lambda: by_us("graph", prompts, {"agreement": 0.0, "resolution": 1.0}),
        lambda: by_us("graph", prompts, {}),
        lambda: clocked(points, clusters),
        lambda: by_us("kmeans", prompts, {"k": TASKS, "restarts": 4}),
    ]
    runs = interleaved(dict(zip(against, jobs)), rounds)
    print(f"n = {prompts}, {rounds} interleaved rounds, medians; {processor()}\n")
    of = lambda name, at: [run[at] for run in runs[name]]
    median = lambda name, at: statistics.median(of(name, at))
    table(["", "wall, s", "peer / this", "processor, s", "peer / this", "adjusted Rand index"], [
        (name, f"{median(name, 0):.2f}", f"{ratio(of(peer, 0), of(name, 0)):.1f}",
         f"{median(name, 1):.1f}", f"{ratio(of(peer, 1), of(name, 1)):.1f}", f"{median(name, 2):.3f}")
        for name, peer in against.items()])


main(*map(int, sys.argv[1:]))
