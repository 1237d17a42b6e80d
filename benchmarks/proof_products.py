"""How many products prove a largest curvature to 1 %: one random start as `measure` makes it, and what else could be tried.

    python benchmarks/proof_products.py [--models mlp-26k cnn gpt2-0.7M gpt2-23M vit-5M resnet-11M] [--starts 5]

The spectra are stand-ins for those of the models of `curvature_equal`: the outliers that a long run from a random start found,
each once, and its other nodes with as many copies as their weights say (the coefficients are in `data/proof_products.json`).
Every way proves the same: lambda_1 <= 1.01 theta, except with probability 0.005.

- `one start`: products until K(1.01 theta) >= 1/share (`inertia.measurement.ritz`).
- `two at once`: a block of two random starts. A plane has a larger share than a line (the failure enters once, not squared).
- `the top locked`: after m products the top Ritz vector is taken out, and a second random start bounds what is left by u;
  [[theta, r], [r, u]] bounds lambda_1. `all locked`: the same with all m Ritz vectors.
- `shared`: as before, and the failure is shared out between the starts, whose products it is: if the first has K(1.01 theta) for
  the failure p and the second for 0.005/p, both miss with 0.005.

The ways with a second start are given the best moment to switch and the best p of a grid, which a real run would not know.

One start needs fewest products of all. It has to be so: the bar is sharp (a measure with the weight 1/K(u) at u has the same
coefficients), so one start alone can prove no more, and a second one has to begin again where a direction among n is
met with a share of 1/n. A start that leans to one side has a smaller share in another direction.
"""

import argparse
import json
import math
import statistics
from pathlib import Path

import numpy as np

from inertia.measurement.ritz import ritz, smallest_share, within

DATA = Path(__file__).parent / "data" / "proof_products.json"
FAILURE, RTOL, MOST = 0.005, 0.01, 40
SHARED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
COPIES = 400  # of a curvature that has more of them, so many with a larger part each


def spectrum(run):
    """Curvatures and their copies."""
    found = ritz(run["alphas"], run["betas"])
    copies = np.maximum(1, np.round(run["parameters"] * found.weights)).astype(int)
    sharp = found.residuals < 1e-3 * found.values[-1]
    return found.values, np.where(sharp | (run["parameters"] * found.weights < 3), 1, copies)


def drawn(values, copies, rng):
    """Two random vectors in the coordinates that they reach: as many for each curvature as it has copies, at most two."""
    at, rows = [], []
    for value, many in zip(values, copies, strict=True):
        parts = rng.standard_normal((min(many, COPIES), 2)) * math.sqrt(many / min(many, COPIES))
        rows.append(parts if many <= 2 else np.linalg.qr(parts)[1])
        at += [value] * len(rows[-1])
    return np.array(at), np.concatenate(rows)


def recurrence(curvatures, start, depth, locked=None):
    """Coefficients and basis of a run, in what is left of the locked directions."""

    def rest(vector):
        return vector if locked is None else vector - locked @ (locked.T @ vector)

    basis = [rest(rest(start))]
    basis[0] /= np.linalg.norm(basis[0])
    alphas, betas = [], []
    for _ in range(depth):
        image = rest(curvatures * basis[-1])
        alphas.append(float(basis[-1] @ image))
        for _ in range(2):
            image = rest(image - np.array(basis).T @ (np.array(basis) @ image))
        betas.append(float(np.linalg.norm(image)))
        basis.append(image / betas[-1])
    return alphas, betas, np.array(basis)


def proven(alphas, betas, share, bound=None):
    """Products after which everything is below `bound` (None: 1 % above the largest Ritz value); None: more than there are."""
    for m in range(1, len(alphas) + 1):
        top = ritz(alphas[:m], betas[:m]).values[-1]
        if within(alphas[:m], betas[:m], top, share, RTOL * top if bound is None else bound - top):
            return m
    return None


def at_once(curvatures, starts, n):
    """Products of a block of two, whose share along a fixed direction is below 2 failure/n with the failure's probability."""
    basis, blocks, links = [np.linalg.qr(starts)[0]], [], []
    while len(blocks) < MOST:
        everything = np.concatenate(basis, axis=1)
        image = curvatures[:, None] * basis[-1]
        blocks.append(basis[-1].T @ image)
        for _ in range(2):
            image = image - everything @ (everything.T @ image)
        following, link = np.linalg.qr(image)
        basis.append(following)
        links.append(link)
        point = (1 + RTOL) * np.linalg.eigvalsh(everything.T @ (curvatures[:, None] * everything))[-1]
        if np.linalg.eigvalsh(sum(now @ now.T for now in polynomials(blocks, links, point)))[0] >= n / (2 * FAILURE):
            return 2 * len(blocks)
    return None


def polynomials(blocks, links, point):
    """The orthonormal matrix polynomials of a block run: x^T Q_j = (x^T Q_0) P_j(lambda) where A x = lambda x."""
    before, now, last = np.zeros((2, 2)), np.eye(2), np.zeros((2, 2))
    yield now
    for block, link in zip(blocks, links, strict=True):
        before, now = now, np.linalg.solve(link.T, (point * now - now @ block - before @ last.T).T).T
        last = link
        yield now


def again(curvatures, starts, n, run, single, everything, shared):
    """Products of a first and a second start, at the best moment to switch (and the best share of the failure)."""
    alphas, betas, basis = run
    best = None
    for p in SHARED if shared else (1.0,):
        begin = proven(alphas, betas, smallest_share(n, p)) if shared else 1
        for m in range(begin, min(single, begin + 3) if shared else single):
            found = ritz(alphas[:m], betas[:m])
            chosen = slice(None) if everything else slice(-1, None)
            rest = room(found.values[chosen], betas[m - 1] * found.vectors[-1, chosen])
            if rest is None:
                continue
            locked = basis[:m].T @ found.vectors[:, chosen]
            second = recurrence(curvatures, starts, (best or 2 * MOST) - m - 1, locked)[:2] if (best or 2 * MOST) - m > 1 else ([], [])
            more = proven(*second, smallest_share(n - locked.shape[1], FAILURE / p), rest)
            if more is not None:
                best = m + more
    return best


def room(values, residuals):
    """The largest bound on what is left with which the largest of all is within the bar; None: there is none."""
    root, top = np.outer(residuals, residuals) / np.linalg.norm(residuals), values[-1]

    def above(bound):
        return np.linalg.eigvalsh(np.block([[np.diag(values), root], [root, bound * np.eye(len(values))]]))[-1] > (1 + RTOL) * top

    low, high = -3 * abs(top), (1 + RTOL) * top
    if above(low):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return low


def row(run, starts):
    """The median number of products of every way; None where most starts need too many."""
    values, copies = spectrum(run)
    n, counts = run["parameters"], {name: [] for name in ("one start", "two at once")}
    for seed in range(starts):
        curvatures, vectors = drawn(values, copies, np.random.default_rng(seed))
        first = recurrence(curvatures, vectors[:, 0], MOST)
        single = proven(*first[:2], smallest_share(n, FAILURE))
        counts["one start"].append(single)
        counts["two at once"].append(at_once(curvatures, vectors, n))
        for everything, name in ((False, "the top locked"), (True, "all locked")):
            for shared in (False, True):
                made = again(curvatures, vectors[:, 1], n, first, single, everything, shared)
                counts.setdefault(name + (", shared" if shared else ""), []).append(made)
    middle = {name: statistics.median(math.inf if one is None else one for one in each) for name, each in counts.items()}
    return {name: None if math.isinf(one) else one for name, one in middle.items()}


def main():
    runs = json.loads(DATA.read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(runs), default=list(runs))
    parser.add_argument("--starts", type=int, default=5)
    args = parser.parse_args()
    for name in args.models:
        print(name, row(runs[name], args.starts), flush=True)


if __name__ == "__main__":
    main()
