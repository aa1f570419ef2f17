"""Discovery under rising noise: `kmeans` and `spectral` of this project against those of scikit-learn, on the same embeddings.

    python -m venv venv && venv/bin/pip install scikit-learn
    cargo build --release -p router-benches --bin growth
    venv/bin/python noise.py [SEEDS]

The number of tasks is given to all. `spectral` joins every prompt to its 30 nearest by cosine, by words alone; scikit-learn's
SpectralClustering gets the same kind of graph. scikit-learn's KMeans runs on the same vectors of unit length.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import normalize

GROWTH = Path(__file__).resolve().parents[3] / "target" / "release" / "growth"
LEVELS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def world(level, seed):
    with tempfile.NamedTemporaryFile() as file:
        run = subprocess.run([GROWTH, "noise", str(level), str(seed), file.name], check=True, capture_output=True)
        found = json.loads(run.stdout)
        points = numpy.fromfile(file.name, dtype="<f4").reshape(-1, found["dimension"])
    return normalize(points), found


def by_python(points, k):
    kmeans = KMeans(k, n_init=4, random_state=0).fit_predict(points)
    graph = kneighbors_graph(points, 30, mode="distance", metric="cosine")
    graph.data = numpy.maximum(1 - graph.data, 0)
    graph = graph.maximum(graph.T)
    spectral = SpectralClustering(k, affinity="precomputed", n_init=8, random_state=0).fit_predict(graph)
    return {"scikit-learn KMeans": kmeans, "scikit-learn SpectralClustering": spectral}


def main(seeds=3):
    scores = {}
    for level in LEVELS:
        for seed in range(seeds):
            points, found = world(level, seed)
            planted = found["planted"]
            all_labels = {"kmeans": found["kmeans"], "spectral": found["spectral"]}
            all_labels |= by_python(points, len(set(planted)))
            for name, labels in all_labels.items():
                pair = adjusted_rand_score(planted, labels), normalized_mutual_info_score(planted, labels)
                scores.setdefault(name, {}).setdefault(level, []).append(pair)
    print("| tasks given | " + " | ".join(f"{level:.2f}" for level in LEVELS) + " |")
    print("|---|" + "---|" * len(LEVELS))
    for name, by_level in scores.items():
        cells = [numpy.mean(by_level[level], axis=0) for level in LEVELS]
        print(f"| {name} | " + " | ".join(f"{rand:.2f} / {information:.2f}" for rand, information in cells) + " |")


main(*map(int, sys.argv[1:]))
