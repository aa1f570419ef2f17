"""Writes what scikit-learn's linear models make of a small world: the reference of the estimators `logistic` and `svm`.

    python -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python fixture.py ../../../router-plugins/tests/fixtures/linear.json

Embeddings are centered and scaled to a mean squared length of 1, as the estimators do it. LinearSVC penalises its intercept;
an `intercept_scaling` of 1000 makes that vanish.
"""

import json
import sys

import numpy
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

PENALTY = 2.0


def main(path):
    random = numpy.random.default_rng(7)
    embeddings = (1.0 + random.normal(size=(80, 5))).round(4)
    asked = (1.0 + random.normal(size=(6, 5))).round(4)
    rules = random.normal(size=(5, 3))
    logits = (embeddings - 1.0) @ rules + [0.5, 0.0, 2.0]
    outcomes = (random.random(size=logits.shape) < 1 / (1 + numpy.exp(-logits))).astype(int)
    mean = embeddings.mean(axis=0)
    length = ((embeddings - mean) ** 2).sum(axis=1).mean() ** 0.5
    scaled, queries = (embeddings - mean) / length, (asked - mean) / length
    probabilities, margins = [], []
    for model in range(outcomes.shape[1]):
        target = outcomes[:, model]
        logistic = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=10_000).fit(scaled, target)
        probabilities.append(logistic.predict_proba(queries)[:, 1])
        svm = LinearSVC(C=1 / PENALTY, dual=False, tol=1e-12, max_iter=100_000, intercept_scaling=1000)
        # LinearSVC minimises |w|^2 / 2 + C * (sum of squared hinges), as ours does times C.
        margins.append(svm.fit(scaled, target).decision_function(queries))
    document = {
        "scikit-learn": sklearn.__version__,
        "penalty": PENALTY,
        "embeddings": embeddings.tolist(),
        "outcomes": outcomes.tolist(),
        "asked": asked.tolist(),
        "probabilities": numpy.array(probabilities).T.round(6).tolist(),
        "margins": numpy.array(margins).T.round(6).tolist(),
    }
    with open(path, "w") as file:
        json.dump(document, file)
        file.write("\n")


main(sys.argv[1])
