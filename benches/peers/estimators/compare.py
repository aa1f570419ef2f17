"""Holds our estimators against scikit-learn on the same embeddings and folds, both batched and on the same number of threads.

    ../setup.sh estimators
    cargo build --release -p router-benches --bin router-estimator-peer
    venv/bin/python compare.py DATA_DIR CONFIG.toml [--threads 2]
    venv/bin/python compare.py DATA_DIR CONFIG.toml --only clusters mlp trees --starts 10
    venv/bin/pip install torch torch-geometric routellm llmrouter-lib
    venv/bin/python compare.py DATA_DIR CONFIG.toml --only matrix-factorization graph-attention

CONFIG.toml names the embedder (and any cheap estimator). Quality is what the best-estimated model reached on held-out prompts. Equal
hyperparameters are given to both where the methods have them in common. Missing outcomes are left out of a model's fit here.

`matrix-factorization` is held against the training code of routellm, `graph-attention` against the graph network of llmrouter-lib (`graph_nn`); both only where they are named, since
they need PyTorch.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("config")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", nargs="*", default=None)
parser.add_argument("--starts", type=int, default=1, help="of methods that draw (clusters, mlp, trees): so many draws of each side, their mean and deviation")
arguments = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(arguments.threads)

import numpy  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.neighbors import KNeighborsRegressor  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402

warnings.filterwarnings("ignore")

OURS = {
    "neighbors": {"k": 40, "temperature": 1e6, "shrinkage": 0.0},
    "clusters": {"k": 32, "nearest": 1, "shrinkage": 0.0, "restarts": 1},
    "ridge": {"penalty": 30.0, "variance": False},
    "logistic": {"penalty": 10.0},
    "svm": {"penalty": 30.0},
    "mlp": {"hidden": [128], "dropout": 0.0, "epochs": 10, "batch_size": 128, "learning_rate": 0.001,
            "weight_decay": 0.0, "held_out": 0.0, "members": 1},
    # As many pairs a prompt and epoch as the peer is given; RouteLLM's dimension and step size.
    "matrix-factorization": {"loss": "pairs", "rank": 128, "dropout": 0.0, "epochs": 20, "batch_size": 32, "learning_rate": 0.003,
                             "weight_decay": 0.0, "held_out": 0.0, "members": 1},
    # The methods differ too much for equal parameters: ours by its defaults with one network, the peer by its example's.
    "graph-attention": {"members": 1},
    "trees": {"trees": 30, "depth": 3, "minimum_leaf": 20, "penalty": 1.0, "learning_rate": 0.1, "features": 1.0, "bins": 64},
}


class PerModel:
    """One regression a model, on embeddings centered and scaled as ours."""

    def __init__(self, make, predict, graded):
        self.make, self.predict_one, self.graded = make, predict, graded

    def fit(self, x, quality):
        self.mean = x.mean(axis=0)
        self.length = ((x - self.mean) ** 2).sum(axis=1).mean() ** 0.5
        z = (x - self.mean) / self.length
        self.models = []
        for column in quality.T:
            seen = column >= 0
            target = column[seen] if self.graded else (column[seen] >= 0.5).astype(int)
            constant = len(set(target)) < 2
            self.models.append(float(target.mean()) if constant else self.make().fit(z[seen], target))

    def predict(self, x):
        z = (x - self.mean) / self.length
        one = lambda model: numpy.full(len(z), model) if isinstance(model, float) else self.predict_one(model, z)
        return numpy.column_stack([one(model) for model in self.models])


class Joint:
    """One regression of all models at once; a missing outcome counts as the model's mean."""

    def __init__(self, make, predict, prepare=lambda x: x, graded=True):
        self.make, self.predict_all, self.prepare, self.graded = make, predict, prepare, graded

    def fit(self, x, quality):
        filled = numpy.where(quality >= 0, quality, numpy.nan)
        filled = numpy.where(numpy.isnan(filled), numpy.nanmean(filled, axis=0), filled)
        self.model = self.make().fit(self.prepare(x), filled if self.graded else (filled >= 0.5).astype(int))

    def predict(self, x):
        return self.predict_all(self.model, self.prepare(x))


class Clusters:
    def fit(self, x, quality):
        x = unit(x)
        self.means = KMeans(32, n_init=1, random_state=start).fit(x)
        self.scores = numpy.zeros((32, quality.shape[1]))
        overall = numpy.where(quality >= 0, quality, numpy.nan)
        for cluster in range(32):
            rows = overall[self.means.labels_ == cluster]
            self.scores[cluster] = numpy.nanmean(rows, axis=0) if len(rows) else numpy.nanmean(overall, axis=0)

    def predict(self, x):
        return self.scores[self.means.predict(unit(x))]


def unit(x):
    return x / numpy.maximum(numpy.linalg.norm(x, axis=1, keepdims=True), 1e-12)


class Mlp(Joint):
    """Standardized as ours: centered, and one scale for all numbers."""

    def __init__(self):
        # Adam without weight decay, 10 epochs; a sigmoid an output.
        super().__init__(
            lambda: MLPClassifier((128,), alpha=0.0, batch_size=128, learning_rate_init=0.001, max_iter=10, random_state=start),
            lambda model, x: model.predict_proba(x), graded=False)

    def fit(self, x, quality):
        mean = x.mean(axis=0)
        scale = (((x - mean) ** 2).mean()) ** 0.5
        self.prepare = lambda x: (x - mean) / scale
        super().fit(x, quality)


class RouteLlm:
    """RouteLLM's matrix factorization with its own loop, on 64 pairs a prompt."""

    def fit(self, x, quality):
        import sys as system
        import types

        import torch

        # Its model module asks for a client of an embedding service when it is imported; embeddings are given here.
        client = types.ModuleType("routellm.routers.similarity_weighted.utils")
        client.OPENAI_CLIENT = None
        system.modules[client.__name__] = client
        from routellm.routers.matrix_factorization import train_matrix_factorization as routellm

        torch.set_num_threads(arguments.threads)
        draw = numpy.random.default_rng(0)
        names = list(routellm.MODEL_IDS)
        pairs = []
        for row, of_row in enumerate(quality):
            a, b = draw.integers(0, len(of_row), size=(2, 64))
            for a, b in zip(a, b):
                if min(of_row[a], of_row[b]) >= 0 and of_row[a] != of_row[b]:
                    winner = "model_a" if of_row[a] > of_row[b] else "model_b"
                    pairs.append({"model_a": names[a], "model_b": names[b], "winner": winner, "idx": row})
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            numpy.save(file.name, x)
            self.net = routellm.MFModel_Train(128, len(names), len(x), text_dim=x.shape[1], npy_path=file.name)
        batches = routellm.PairwiseDataset(pairs).get_dataloaders(batch_size=64, shuffle=True)
        routellm.train_loops(
            self.net, batches, None, lr=0.003, weight_decay=0.0, alpha=0.1, num_epochs=20, device="cpu",
            evaluator=lambda net, batches, device: (0.0, 0.0))
        self.models = quality.shape[1]

    def predict(self, x):
        import torch

        with torch.no_grad():
            vectors = torch.nn.functional.normalize(self.net.P.weight[: self.models], dim=1) * self.net.classifier.weight
            return (self.net.text_proj(torch.from_numpy(numpy.ascontiguousarray(x))) @ vectors.T).numpy()


class LlmRouterGraph:
    """The graph network of llmrouter-lib, its models told apart by unit vectors; a tenth of the prompts chooses the epoch."""

    def data(self, x, edges, mask, seen):
        import torch

        n, m = edges.shape
        data = self.graph.FormData("cpu").formulation(
            query_feature=x, llm_feature=numpy.eye(m), org_node=[row for row in range(n) for _ in range(m)],
            des_node=list(range(m)) * n, edge_feature=edges.reshape(-1), label=edges.reshape(-1),
            edge_mask=torch.tensor(mask), train_mask=torch.tensor(seen), valide_mask=torch.zeros(n * m, dtype=torch.bool),
            test_mask=torch.zeros(n * m, dtype=torch.bool))
        return data

    def fit(self, x, quality):
        import contextlib
        import importlib.util
        import io

        import torch

        # The module by its file: its package imports a web interface.
        place = importlib.util.find_spec("llmrouter").submodule_search_locations[0]
        spec = importlib.util.spec_from_file_location("graph_nn", f"{place}/models/graphrouter/graph_nn.py")
        self.graph = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.graph)
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(0)
        self.x, (n, m) = x, quality.shape
        self.edges = numpy.maximum(quality, 0)
        trained = numpy.repeat(numpy.arange(n) % 10 > 0, m)
        with tempfile.TemporaryDirectory() as out:
            config = {"learning_rate": 0.001, "weight_decay": 1e-4, "train_epoch": 100, "batch_size": 4, "train_mask_rate": 0.3,
                      "llm_num": m, "model_path": f"{out}/model.pt"}
            self.net = self.graph.GNNPredictor(x.shape[1], m, 32, 1, config, "cpu")
            with contextlib.redirect_stdout(io.StringIO()):
                self.net.train_validate(self.data(x, self.edges, trained, trained), self.data(x, self.edges, ~trained, trained))
            self.net.model.load_state_dict(torch.load(f"{out}/model.pt"))

    def predict(self, x):
        n, m = self.edges.shape
        # New prompts join the training graph, as it predicts.
        edges = numpy.vstack([self.edges, numpy.zeros((len(x), m))])
        is_new = numpy.arange(len(edges) * m) >= n * m
        best = self.net.predict(self.data(numpy.vstack([self.x, x]), edges, is_new, ~is_new))
        return numpy.eye(m)[best.numpy()]


PEERS = {
    "matrix-factorization": RouteLlm,
    "graph-attention": LlmRouterGraph,
    "neighbors": lambda: Joint(lambda: KNeighborsRegressor(40, algorithm="brute"), lambda m, x: m.predict(x), unit),
    "clusters": Clusters,
    "ridge": lambda: PerModel(lambda: Ridge(alpha=30.0), lambda m, x: m.predict(x), True),
    "logistic": lambda: PerModel(lambda: LogisticRegression(C=0.1, max_iter=1000), lambda m, x: m.predict_proba(x)[:, 1], False),
    # Margins of different models are not comparable; quality by a logistic function of them, as ours, but on training margins.
    "svm": lambda: PerModel(lambda: Svm(), lambda m, x: m.predict(x), False),
    "mlp": Mlp,
    "trees": lambda: PerModel(
        lambda: HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=30, max_depth=3, max_leaf_nodes=None, min_samples_leaf=20, l2_regularization=1.0,
            max_bins=64, early_stopping=False, random_state=start),
        lambda m, x: m.predict_proba(x)[:, 1], False),
}


class Svm:
    """LinearSVC with Platt's scaling on five folds, as ours."""

    def fit(self, z, target):
        make = lambda: LinearSVC(C=1 / 30, dual=False, intercept_scaling=100)
        fold = numpy.arange(len(target)) % 5
        margins = numpy.zeros(len(target))
        for held_out in range(5):
            train = fold != held_out
            if len(set(target[train])) > 1:
                margins[~train] = make().fit(z[train], target[train]).decision_function(z[~train])
        self.model = make().fit(z, target)
        self.platt = LogisticRegression(C=1.0).fit(margins[:, None] / max(margins.std(), 1e-9), target)
        self.scale = max(margins.std(), 1e-9)
        return self

    def predict(self, z):
        return self.platt.predict_proba(self.model.decision_function(z)[:, None] / self.scale)[:, 1]


# What a peer draws from; moved where several draws are compared.
start = 0


def measure(name, x, quality, folds):
    """Held-out quality of the peer, seconds a fit and microseconds a prompt."""
    fit_seconds = predict_seconds = total = 0.0
    for fold in numpy.unique(folds):
        train, held_out = folds != fold, folds == fold
        peer = PEERS[name]()
        began = time.perf_counter()
        peer.fit(x[train], quality[train])
        fit_seconds += time.perf_counter() - began
        began = time.perf_counter()
        # In batches of 256, as ours.
        rows = x[held_out]
        found = numpy.vstack([peer.predict(rows[at:at + 256]) for at in range(0, len(rows), 256)])
        predict_seconds += time.perf_counter() - began
        reached = quality[held_out][numpy.arange(len(rows)), found.argmax(axis=1)]
        total += numpy.maximum(reached, 0).sum()
    return total / len(x), fit_seconds / len(numpy.unique(folds)), 1e6 * predict_seconds / len(x)


def compare_draws(runs, x, quality, folds):
    """The quality of both sides over several draws: mean and standard deviation."""
    global start
    told = lambda values: f"{numpy.mean(values):.4f} +- {numpy.std(values, ddof=1):.4f}"
    for at, mine in enumerate(runs[0]["estimators"]):
        name, theirs = mine["name"], []
        for start in range(len(runs)):
            theirs.append(measure(name, x, quality, folds)[0])
        own = [run["estimators"][at]["quality"] for run in runs]
        print(f"{name:20} {told(own)}, peer {told(theirs)} over {len(runs)} draws")
        sys.stdout.flush()


def main():
    root = pathlib.Path(__file__).resolve().parents[3]
    names = arguments.only or [name for name in OURS if name not in ("matrix-factorization", "graph-attention")]
    with tempfile.TemporaryDirectory() as out:
        command = [str(root / "target/release/router-estimator-peer"), arguments.data, arguments.config, out]
        command += [f"{name}={json.dumps(OURS[name])}" for name in names]
        environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
        runs = []
        for seed in range(arguments.starts):
            # The first is the seed that tables have.
            environment["FIT_SEED"] = str(7 + seed)
            runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout))
        shape = json.load(open(f"{out}/shape.json"))
        x = numpy.fromfile(f"{out}/embeddings.f32", "<f4").reshape(shape["n"], shape["d"])
        quality = numpy.fromfile(f"{out}/quality.f32", "<f4").reshape(shape["n"], shape["m"])
        folds = numpy.fromfile(f"{out}/folds.u32", "<u4")
    if arguments.starts > 1:
        return compare_draws(runs, x, quality, folds)
    print(f"{'':20} {'quality':>8} {'peer':>8} {'fit s':>8} {'peer':>8} {'ratio':>6} {'us':>8} {'peer':>8} {'ratio':>6}")
    for mine in runs[0]["estimators"]:
        name = mine["name"]
        reached, fit_seconds, micros = measure(name, x, quality, folds)
        print(
            f"{name:20} {mine['quality']:8.4f} {reached:8.4f} {mine['fit_seconds']:8.3f} {fit_seconds:8.3f} "
            f"{fit_seconds / mine['fit_seconds']:6.1f} {mine['microseconds_per_prompt']:8.1f} {micros:8.1f} "
            f"{micros / mine['microseconds_per_prompt']:6.1f}"
        )
        sys.stdout.flush()


main()
