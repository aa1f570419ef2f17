"""The three graphs of the Leiden comparison, by integer formulas that `router-plugins/tests/leiden.rs` repeats exactly."""

import numpy as np

MASK = (1 << 64) - 1


class SplitMix:
    """SplitMix64 (Steele, Lea and Flood 2014): the same numbers in every language."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        return (self.next() >> 32) * bound >> 32


def planted(seed=1):
    """1,000 nodes in 10 equal blocks; a pair is tied with chance 12% inside a block and 1% outside."""
    draw, edges = SplitMix(seed), []
    for a in range(1000):
        for b in range(a + 1, 1000):
            if draw.below(1000) < (120 if a // 100 == b // 100 else 10):
                edges.append((a, b, 1))
    return 1000, edges


def unequal(seed=2):
    """5,000 nodes in blocks of 20 to 400, degrees of 8 to 40, a quarter of the edges anywhere: as LFR benchmarks are."""
    draw, edges = SplitMix(seed), {}
    sizes = []
    while sum(sizes) < 5000:
        share = 1 + draw.below(20)
        sizes.append(min(20 * 20 // share, 5000 - sum(sizes)))
    starts, block = [], []
    for index, size in enumerate(sizes):
        starts.append(len(block))
        block += [index] * size
    for a in range(5000):
        degree = 4 + 16 // (1 + draw.below(8))
        for _ in range(degree):
            if draw.below(4) == 0:
                b = draw.below(5000)
            else:
                b = starts[block[a]] + draw.below(sizes[block[a]])
            if a != b:
                edges[(min(a, b), max(a, b))] = 1
    return 5000, [(a, b, 1) for a, b in sorted(edges)]


def clustered(seed=3):
    """20,000 points around 40 centers in 8 dimensions, each tied to its 15 nearest; weight 2 where both name the other.

    Coordinates are integers, so squared distances are exact and ties go to the lower number in every language.
    """
    n, d, k, clusters = 20_000, 8, 15, 40
    draw = SplitMix(seed)
    centers = [[draw.below(1200) for _ in range(d)] for _ in range(clusters)]
    points = np.zeros((n, d))
    for row in range(n):
        # Clusters of falling size; noise is a sum of four draws, bell-shaped.
        cluster = draw.below(1 + draw.below(clusters))
        for col in range(d):
            points[row, col] = centers[cluster][col] + sum(draw.below(300) for _ in range(4)) - 600
    squares = (points**2).sum(axis=1)
    named = {}
    for start in range(0, n, 1000):
        block = points[start : start + 1000]
        distance = squares[start : start + 1000, None] + squares[None, :] - 2 * block @ points.T
        distance[np.arange(len(block)), start + np.arange(len(block))] = 1e11
        # One exact key below 2^53: distance first, then number.
        key = distance * n + np.arange(n)[None, :]
        for row, near in enumerate(np.argpartition(key, k, axis=1)[:, :k]):
            for other in near:
                a, b = start + row, int(other)
                edge = (min(a, b), max(a, b))
                named[edge] = named.get(edge, 0) + 1
    return n, [(a, b, w) for (a, b), w in sorted(named.items())]


GRAPHS = {"planted": planted, "unequal": unequal, "clustered": clustered}


def checksum(edges):
    """A fingerprint that the Rust side must reproduce."""
    total = 0
    for a, b, w in edges:
        total = (total * 6364136223846793005 + (a << 32 | b << 8 | w)) & MASK
    return total
