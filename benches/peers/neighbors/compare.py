"""Our nearest-neighbor search against faiss, scikit-learn, hnswlib and usearch, on the same points in one interleaved run. See README.md."""

import argparse
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import faiss
import hnswlib
import numpy
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from usearch.index import Index

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import Ours, TARGET, interleaved, processor, ratio, table  # noqa: E402

# Of the graphs: links a point, candidates held while a point is inserted and while a query is answered. Ours are constants with these values.
LINKS, BUILD_WIDTH, WIDTH = 24, 200, 128


def make_points(n, dimension, clusters=200, seed=1):
    """Points of unit length around centers, as embeddings of prompts lie: within a cluster the mean cosine is about 0.5."""
    draw = numpy.random.default_rng(seed)
    centers = draw.standard_normal((clusters, dimension))
    points = centers[draw.integers(0, clusters, n)] + draw.standard_normal((n, dimension))
    return numpy.ascontiguousarray(points / numpy.linalg.norm(points, axis=1, keepdims=True), dtype="<f4")


def clocked(work):
    """Wall and processor seconds, and what was found."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return (time.perf_counter() - wall, time.process_time() - processor), found


def by_faiss(points, k, threads):
    faiss.omp_set_num_threads(threads)

    def work():
        index = faiss.IndexFlatIP(points.shape[1])
        index.add(points)
        return index.search(points, k + 1)[1]

    with threadpool_limits(threads):
        return clocked(work)


def by_sklearn(points, k, threads, metric):
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=metric, n_jobs=threads)
    with threadpool_limits(threads):
        return clocked(lambda: search.fit(points).kneighbors(return_distance=False))


def by_hnswlib(points, k, threads):
    index = hnswlib.Index(space="ip", dim=points.shape[1])

    def build():
        index.init_index(max_elements=len(points), M=LINKS, ef_construction=BUILD_WIDTH, random_seed=1)
        index.set_num_threads(threads)
        index.add_items(points)
        index.set_ef(WIDTH)

    seconds, _ = clocked(build)
    return seconds, *clocked(lambda: index.knn_query(points, k=k + 1)[0])


def by_usearch(points, k, threads):
    index = Index(
        ndim=points.shape[1], metric="ip", dtype="f32", connectivity=LINKS, expansion_add=BUILD_WIDTH, expansion_search=WIDTH
    )
    seconds, _ = clocked(lambda: index.add(numpy.arange(len(points)), points, threads=threads))
    return seconds, *clocked(lambda: index.search(points, k + 1, threads=threads).keys)


class Comparison:
    def __init__(self, points, k, rounds, ours, out):
        self.points, self.k, self.rounds, self.ours, self.out = points, k, rounds, ours, out
        # The truth of some points, in double precision.
        self.asked = numpy.random.default_rng(2).choice(len(points), min(1000, len(points)), replace=False)
        products = points[self.asked].astype("f8") @ points.T.astype("f8")
        products[numpy.arange(len(self.asked)), self.asked] = -numpy.inf
        self.true = numpy.argpartition(-products, k, axis=1)[:, :k]

    def recall(self, found):
        """The share of the true k nearest other points that are among the first k found, the point itself left out."""
        hits = 0
        for row, true in zip(self.asked, self.true):
            others = [other for other in found[row] if other != row][: self.k]
            hits += len(set(others) & set(true))
        return hits / self.true.size

    def by_us(self, job, threads):
        answer = self.ours.ask(f"{job} {self.k} {threads}")
        found = numpy.fromfile(self.out, "<u4").reshape(len(self.points), self.k)
        return answer, found

    def exact(self, threads):
        points, k = self.points, self.k

        def mine():
            answer, found = self.by_us("exact", threads)
            return answer["search"], found

        jobs = {
            "ours": mine,
            "faiss-cpu, IndexFlatIP": lambda: by_faiss(points, k, threads),
            "scikit-learn, brute, euclidean": lambda: by_sklearn(points, k, threads, "euclidean"),
            "scikit-learn, brute, cosine": lambda: by_sklearn(points, k, threads, "cosine"),
        }
        runs = interleaved(jobs, self.rounds)
        wall, cpu = ({name: [spent[at] for spent, _ in results] for name, results in runs.items()} for at in (0, 1))
        rows = [
            (name, f"{statistics.median(wall[name]):.2f}", f"{ratio(wall[name], wall['ours']):.2f}", f"{statistics.median(cpu[name]):.2f}",
             f"{ratio(cpu[name], cpu['ours']):.2f}", f"{self.recall(results[0][1]):.5f}")
            for name, results in runs.items()
        ]
        print(f"Exact, {threads} thread{'s' * (threads > 1)}\n")
        table(["", "wall, s", "peer / ours", "processor, s", "peer / ours", f"recall@{k}"], rows)
        return statistics.median(cpu["ours"]) / threads

    def approximate(self, threads):
        points, k = self.points, self.k

        def mine():
            answer, found = self.by_us("approximate", threads)
            return answer["build"], answer["search"], found

        jobs = {
            "ours": mine,
            "hnswlib": lambda: by_hnswlib(points, k, threads),
            "usearch": lambda: by_usearch(points, k, threads),
        }
        runs = interleaved(jobs, self.rounds)
        build, query = ({name: [run[at][1] for run in results] for name, results in runs.items()} for at in (0, 1))
        rows = [
            (name, f"{statistics.median(build[name]):.2f}", f"{ratio(build[name], build['ours']):.2f}",
             f"{1e6 * statistics.median(query[name]) / len(points):.0f}", f"{ratio(query[name], query['ours']):.2f}",
             f"{self.recall(results[0][2]):.4f}")
            for name, results in runs.items()
        ]
        print(f"Approximate, {threads} thread{'s' * (threads > 1)}, processor time\n")
        table(["", "build, s", "peer / ours", "microseconds a query", "peer / ours", f"recall@{k}"], rows)


def openblas(side, threads):
    """Gigaflops of numpy's product a processor second, times threads."""
    a = numpy.random.default_rng(0).random((side, side), dtype="f4")
    with threadpool_limits(threads):
        (_, spent), _ = clocked(lambda: [a @ a for _ in range(12)])
    return 12 * 2 * side**3 * threads / spent / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--parts", nargs="*", default=["exact", "approximate"])
    parser.add_argument("--target", default=TARGET)
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ["faiss-cpu", "scikit-learn", "hnswlib", "usearch", "numpy"])
    n, d = arguments.points, arguments.dimension
    print(f"{n} x {d}, k = {arguments.k}, {arguments.rounds} interleaved rounds, medians; {processor()}; {versions}\n")
    points = make_points(n, d)
    with tempfile.TemporaryDirectory() as folder:
        points.tofile(f"{folder}/points.f32")
        ours = Ours("router-neighbors-peer", f"{folder}/points.f32", d, f"{folder}/out.u32", target=arguments.target)
        comparison = Comparison(points, arguments.k, arguments.rounds, ours, f"{folder}/out.u32")
        for threads in arguments.threads:
            if "exact" in arguments.parts:
                limits = {
                    "gigaflops, our matrix product": ours.ask(f"product 2048 {threads}")["gigaflops"],
                    "gigaflops, numpy's": openblas(2048, threads),
                    "gigabytes a second, copying": ours.ask(f"copy 256 {threads}")["gigabytes"],
                }
                seconds = comparison.exact(threads)
                # A pair of points is multiplied once: n^2 / 2 inner products of 2 d operations.
                reached = n * n * d / seconds / 1e9
                best = max(list(limits.values())[:2])
                print(", ".join(f"{value:.0f} {name}" for name, value in limits.items()))
                print(f"the exact search: {reached:.0f} gigaflops, {100 * reached / best:.0f}% of the better product\n")
            if "approximate" in arguments.parts:
                comparison.approximate(threads)
        ours.close()


main()
