"""Writes a small weighted graph and the smallest eigenvalues of its normalized Laplacian by numpy: the reference of the tests of
the discoverer `spectral`.

    python -m venv venv && venv/bin/pip install numpy
    venv/bin/python fixture.py ../../../router-plugins/tests/fixtures/laplacian.json
"""

import json
import sys

import numpy

NODES, COUNT = 90, 8

edges = []
for a in range(NODES):
    for b in range(a + 1, NODES):
        same = a % 3 == b % 3
        if (a * b + 7 * a + 3 * b) % (5 if same else 41) == 0 or b == a + 3:
            edges.append((a, b, 1.0 + (a + b) % 5 / 4))
weights = numpy.zeros((NODES, NODES))
for a, b, weight in edges:
    weights[a, b] = weights[b, a] = weight
scale = weights.sum(axis=1) ** -0.5
laplacian = numpy.eye(NODES) - scale[:, None] * weights * scale
values = numpy.linalg.eigvalsh(laplacian)[:COUNT]
with open(sys.argv[1], "w") as file:
    document = {"numpy": numpy.__version__, "nodes": NODES, "eigenvalues": values.round(12).tolist(), "edges": edges}
    file.write(json.dumps(document).replace('"edges"', '\n"edges"') + "\n")
