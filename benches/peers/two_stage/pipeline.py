"""The two-stage router as a Python user would write it: faiss, leidenalg, PyTorch. Sizes and counts are those of `docs/configs/finerouter.toml`."""

from dataclasses import dataclass

import faiss
import igraph
import leidenalg
import numpy
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

NEIGHBORS, AGREEMENT, PERSISTENCE, MINIMUM_SIZE = 30, 0.35, 0.9, 10
COVERAGE, SHRINKAGE, FOLDS, RESAMPLES = 0.9, 10.0, 5, 10
HIDDEN, DROPOUT, EPOCHS, BATCH, RATE, DECAY, HELD_OUT, PATIENCE, MEMBERS = 128, 0.5, 60, 128, 0.003, 5.0, 0.2, 4, 3
PENALTIES = [100.0, 30.0, 10.0, 3.0, 1.0]


def discover(x, quality, seed):
    """A graph of nearest neighbors, weighed by cosine and rank-biased overlap; Leiden; small communities have no task (-1)."""
    k = min(NEIGHBORS, len(x) - 1)
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    cosine, near = index.search(x, k + 1)
    a = numpy.repeat(numpy.arange(len(x)), k + 1)
    b, cosine = near.ravel(), cosine.ravel()
    keep = a != b
    edges = numpy.sort(numpy.stack([a, b], axis=1)[keep], axis=1)
    edges, first = numpy.unique(edges, axis=0, return_index=True)
    weights = (1 - AGREEMENT) * cosine[keep][first] + AGREEMENT * overlap(quality, edges)
    graph = igraph.Graph(n=len(x), edges=edges)
    kind = leidenalg.RBConfigurationVertexPartition
    found = leidenalg.find_partition(graph, kind, weights=numpy.maximum(weights, 0.0).tolist(), n_iterations=2, seed=seed)
    labels = numpy.array(found.membership)
    sizes = numpy.bincount(labels)
    kept = numpy.cumsum(sizes >= MINIMUM_SIZE) - 1
    return numpy.where(sizes[labels] >= MINIMUM_SIZE, kept[labels], -1)


def overlap(quality, edges):
    """Rank-biased overlap of the two rankings of every edge; ties go to the lower model."""
    m = quality.shape[1]
    ranks = numpy.argsort(numpy.argsort(-quality, axis=1, kind="stable"), axis=1)
    total, weight = numpy.zeros(len(edges)), 1 - PERSISTENCE
    for depth in range(1, m + 1):
        top = ranks < depth
        total += weight * (top[edges[:, 0]] & top[edges[:, 1]]).sum(axis=1) / depth
        weight *= PERSISTENCE
    return total / (1 - PERSISTENCE**m)


def stability(x, quality, labels, draw):
    """The mean of the highest Jaccard similarity of every task with those found in a bootstrap resample."""
    best = numpy.zeros((RESAMPLES, labels.max() + 1))
    for resample in range(RESAMPLES):
        rows = numpy.unique(draw.integers(0, len(x), len(x)))
        again, mine = discover(x[rows], quality[rows], resample), labels[rows]
        both = numpy.zeros((labels.max() + 1, again.max() + 1))
        numpy.add.at(both, (mine[(mine >= 0) & (again >= 0)], again[(mine >= 0) & (again >= 0)]), 1)
        sizes = numpy.bincount(mine[mine >= 0], minlength=len(both))[:, None] + numpy.bincount(again[again >= 0], minlength=both.shape[1])
        best[resample] = (both / (sizes - both)).max(axis=1)
    return best.mean(axis=0)


def fit_classifier(x, labels):
    """Multinomial logistic regression by L-BFGS."""
    rows = labels >= 0
    net = torch.nn.Linear(x.shape[1], int(labels.max()) + 1)
    inputs, targets = torch.from_numpy(x[rows]), torch.from_numpy(labels[rows])
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = cross_entropy(net(inputs), targets) + 5e-4 * net.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return net


@torch.no_grad()
def classify(net, x):
    return net(torch.from_numpy(x)).argmax(dim=1).numpy()


def assign_unseen(x, labels, folds):
    """The task of every prompt by a classifier that has not seen it."""
    assigned = numpy.zeros(len(x), dtype=int)
    for fold in range(FOLDS):
        assigned[folds == fold] = classify(fit_classifier(x[folds != fold], labels[folds != fold]), x[folds == fold])
    return assigned


def task_scores(quality, assigned, count):
    """Means by task, pulled to the overall means; the candidates of every task."""
    overall = quality.mean(axis=0)
    scores, candidates = numpy.tile(overall, (count, 1)), []
    for task in range(count):
        own = quality[assigned == task]
        scores[task] = (own.sum(axis=0) + SHRINKAGE * overall) / (len(own) + SHRINKAGE)
        order, chosen = numpy.argsort(-scores[task]), []
        best = own == own.max(axis=1, keepdims=True) if len(own) else numpy.ones((1, quality.shape[1]), bool)
        for model in order:
            chosen.append(model)
            if best[:, chosen].any(axis=1).mean() > COVERAGE:
                break
        candidates.append(chosen)
    return scores, candidates


class Member(torch.nn.Module):
    """A trunk with a general head a model; residual heads for the candidates of every task are added afterwards."""

    def __init__(self, dimension, models, means):
        super().__init__()
        self.trunk = torch.nn.Sequential(torch.nn.Linear(dimension, HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(DROPOUT))
        self.general = torch.nn.Linear(HIDDEN, models)
        torch.nn.init.zeros_(self.general.weight)
        with torch.no_grad():
            self.general.bias.copy_(torch.logit(torch.from_numpy(means).clamp(0.01, 0.99)))
        self.heads = {}

    def fit(self, x, quality, draw):
        held_out = torch.from_numpy(draw.random(len(x)) < HELD_OUT)
        train, test = (~held_out).nonzero().ravel(), held_out.nonzero().ravel()
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY)
        best, waited, kept = float("inf"), 0, None
        for _ in range(EPOCHS):
            self.train()
            for rows in train[torch.from_numpy(draw.permutation(len(train)))].split(BATCH):
                optimizer.zero_grad()
                binary_cross_entropy_with_logits(self.general(self.trunk(x[rows])), quality[rows]).backward()
                optimizer.step()
            self.eval()
            with torch.no_grad():
                loss = binary_cross_entropy_with_logits(self.general(self.trunk(x[test])), quality[test]).item()
            waited += 1
            if loss < best:
                best, waited, kept = loss, 0, {name: value.clone() for name, value in self.state_dict().items()}
            if waited >= PATIENCE:
                break
        self.load_state_dict(kept)
        return train, test

    def fit_heads(self, x, quality, assigned, candidates, train, test):
        """A residual over the general head for every candidate, by L-BFGS; the penalty that serves the held-out prompts best."""
        with torch.no_grad():
            features = self.trunk(x)
            logits = self.general(features)
        best = binary_cross_entropy_with_logits(logits[test], quality[test]).item()
        for penalty in PENALTIES:
            heads, moved = self.residuals(features[train], logits[train], quality[train], assigned[train], candidates, penalty), logits.clone()
            self.add(heads, features, moved, assigned)
            loss = binary_cross_entropy_with_logits(moved[test], quality[test]).item()
            if loss < best:
                best, self.heads = loss, heads

    @staticmethod
    def residuals(features, logits, quality, assigned, candidates, penalty):
        heads = {}
        for task, models in enumerate(candidates):
            rows = assigned == task
            if not rows.any():
                continue
            f, offset, targets = features[rows], logits[rows][:, models], quality[rows][:, models]
            head = torch.nn.Linear(HIDDEN, len(models))
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.zeros_(head.bias)
            optimizer = torch.optim.LBFGS(head.parameters(), max_iter=30, line_search_fn="strong_wolfe")

            def loss():
                optimizer.zero_grad()
                value = binary_cross_entropy_with_logits(offset + head(f), targets, reduction="sum")
                value = value + penalty / 2 * (head.weight.square().sum() + head.bias.square().sum())
                value.backward()
                return value

            optimizer.step(loss)
            heads[task] = (models, head)
        return heads

    @staticmethod
    @torch.no_grad()
    def add(heads, features, logits, assigned):
        for task, (models, head) in heads.items():
            rows = (assigned == task).nonzero().ravel()
            logits[rows[:, None], torch.tensor(models)] += head(features[rows])

    @torch.no_grad()
    def estimate(self, x, assigned):
        self.eval()
        features = self.trunk(x)
        logits = self.general(features)
        self.add(self.heads, features, logits, assigned)
        return torch.sigmoid(logits)


@dataclass
class Stages:
    labels: numpy.ndarray
    classifier: torch.nn.Module
    scores: numpy.ndarray
    members: list

    def estimate(self, x):
        """Task scores and estimates of the mixture, each prompts x models."""
        tasks = classify(self.classifier, x)
        inputs, assigned = torch.from_numpy(x), torch.from_numpy(tasks)
        return self.scores[tasks], sum(member.estimate(inputs, assigned) for member in self.members).numpy() / MEMBERS


def fit_stages(x, quality, draw, seed):
    labels = discover(x, quality, seed)
    assigned = assign_unseen(x, labels, draw.integers(0, FOLDS, len(x)))
    classifier = fit_classifier(x, labels)
    scores, candidates = task_scores(quality, assigned, labels.max() + 1)
    inputs, targets, tasks = torch.from_numpy(x), torch.from_numpy(quality), torch.from_numpy(assigned)
    members = []
    for _ in range(MEMBERS):
        member = Member(x.shape[1], quality.shape[1], quality.mean(axis=0))
        train, test = member.fit(inputs, targets, draw)
        member.fit_heads(inputs, targets, tasks, candidates, train, test)
        members.append(member)
    return Stages(labels, classifier, scores, members)


def train(x, quality, seed=7):
    """The whole training: stages, alpha from held-out folds, stability of the tasks. Gives a function from embeddings to chosen models."""
    draw = numpy.random.default_rng(seed)
    torch.manual_seed(seed)
    stages = fit_stages(x, quality, draw, seed)
    folds = draw.integers(0, FOLDS, len(x))
    by_task, by_prompt = numpy.zeros_like(quality), numpy.zeros_like(quality)
    for fold in range(FOLDS):
        of_fold = fit_stages(x[folds != fold], quality[folds != fold], draw, seed)
        by_task[folds == fold], by_prompt[folds == fold] = of_fold.estimate(x[folds == fold])
    rows = numpy.arange(len(x))
    reached = {alpha: quality[rows, (alpha * by_prompt + (1 - alpha) * by_task).argmax(axis=1)].mean() for alpha in numpy.linspace(0, 1, 21)}
    alpha = max(reached, key=reached.get)
    stable = stability(x, quality, stages.labels, draw)

    def choose(asked):
        of_task, of_prompt = stages.estimate(asked)
        return (alpha * of_prompt + (1 - alpha) * of_task).argmax(axis=1)

    return choose, stages.labels.max() + 1, float(stable.mean())
