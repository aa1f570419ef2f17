"""Writes what scikit-learn makes of a small corpus: the reference of `cargo test -p router-plugins --test tfidf`.

    python -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python fixture.py ../../../router-plugins/tests/fixtures/tfidf.json

The same n-grams, weights and blocks as the embedder `tfidf-svd`, and an exact decomposition (ARPACK) in double precision.
"""

import itertools
import json
import re
import sys

import numpy
import sklearn
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize

DIMENSION = 8
CHARACTER_WEIGHT = 0.4

TEMPLATES = [
    "Solve {a}x + {b} = {c} for x and show every step.",
    "How many apples are left if {who} eats {a} of {b}?",
    "Write a {language} function that returns the {what} of a list.",
    "Why does this {language} program print {a} twice, and twice again?",
    "Translate into {tongue}: the {thing} is on the table.",
    "Which {thing} did {who} see in {place}?",
]
FILLINGS = {
    "a": ["3", "17", "250"],
    "b": ["4", "90", "12"],
    "c": ["10", "2", "305"],
    "who": ["Anna", "the baker", "Omar"],
    "language": ["Python", "Rust", "C"],
    "what": ["median", "longest word", "sum of squares"],
    "tongue": ["French", "Polish", "French"],
    "thing": ["red kettle", "old map", "key"],
    "place": ["Lisbon", "the cellar", "Oslo"],
}


def corpus():
    texts = []
    for template, turn in itertools.product(TEMPLATES, range(9)):
        fields = sorted(re.findall(r"{(\w+)}", template))
        # Every field moves on at its own pace, so that no two texts of a template are alike.
        values = {f: FILLINGS[f][(turn // 3**at if at < 2 else turn) % 3] for at, f in enumerate(fields)}
        texts.append(template.format(**values))
    return texts


def read(text):
    return re.sub("[0-9]", "0", re.sub(r"\s+", " ", text.lower()))


def block(analyzer, ngrams):
    pad = (lambda t: f" {read(t).strip()} ") if analyzer == "char" else read
    return TfidfVectorizer(
        analyzer=analyzer, ngram_range=ngrams, token_pattern=r"\w+", preprocessor=pad, min_df=2, sublinear_tf=True
    )


def main(path):
    texts = corpus()
    asked = ["Translate the function into Rust.", "How many keys did Anna see?", "Solve it: why twice?"]
    union = FeatureUnion(
        [("words", block("word", (1, 2))), ("characters", block("char", (3, 5)))],
        transformer_weights={"words": (1 - CHARACTER_WEIGHT) ** 0.5, "characters": CHARACTER_WEIGHT**0.5},
    )
    weights = union.fit_transform(texts)
    # A text of one block alone has the whole length.
    svd = TruncatedSVD(DIMENSION + 1, algorithm="arpack", random_state=0).fit(weights)
    values = svd.singular_values_
    assert values[-2] / values[-1] > 1.01, "the last direction must be well separated"
    vectors = normalize(weights, axis=1) @ svd.components_[:DIMENSION].T
    new = normalize(union.transform(asked), axis=1) @ svd.components_[:DIMENSION].T
    cosines = lambda rows: (normalize(rows) @ normalize(numpy.vstack([vectors, new])).T).round(9).tolist()
    whitened = normalize(numpy.vstack([vectors, new]) / values[:DIMENSION])
    document = {
        "scikit-learn": sklearn.__version__,
        "character_weight": CHARACTER_WEIGHT,
        "texts": texts,
        "asked": asked,
        "vocabulary": [len(part.vocabulary_) for _, part in union.transformer_list],
        "singular_values": values[:DIMENSION].round(9).tolist(),
        "cosines_of_asked": cosines(new),
        "cosines_of_the_first": cosines(vectors[:1])[0],
        "whitened_cosines_of_asked": (whitened[len(texts):] @ whitened.T).round(9).tolist(),
    }
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


main(sys.argv[1])
