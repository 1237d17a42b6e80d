"""The largest (and smallest) curvature of a network to 1 %: products, CPU time and true error, against what people use.

    python benchmarks/curvature.py [--json] [--problems mlp-start mlp-trained cnn-start cnn-trained] [--seeds 5]

Problems: a digits MLP 64-128-128-10 (26,122 parameters, full batch of 1797, 0 and 150 steps of training) and a CNN of about
100,000 parameters (2048 random 28 x 28 images, 0 and 30 steps). One thread; CPU seconds of the process, best of the seeds'
medians being of little use, the median itself. `miss` counts the seeds that are more than 1 % off. `ours at that error` is
the number of products after which our run is as near to the truth as the peer was at its worst (Lanczos from the same start
gives the most a product can give). PyHessian, curvlinops and scipy must be installed; run it on a quiet machine.
"""

import argparse
import json
import platform
import statistics
import sys
import time
import warnings

import numpy as np
import scipy.sparse.linalg
import torch
from sklearn.datasets import load_digits
from torch import nn

import inertia.torch
from inertia.measurement.lanczos import krylov
from inertia.measurement.ritz import ritz
from inertia.torch.batches import batches_of
from inertia.torch.losses import Loss
from inertia.torch.opening import opened

LOSS = nn.CrossEntropyLoss()


def mlp(steps):
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    return trained(model, x, y, steps)


def cnn(steps):
    torch.manual_seed(0)
    x, y = torch.randn(2048, 1, 28, 28), torch.randint(0, 10, (2048,))
    layers = [nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 49, 59), nn.ReLU(), nn.Linear(59, 10))
    return trained(model, x, y, steps)


def trained(model, x, y, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        LOSS(model(x), y).backward()
        optimizer.step()
    return model, x, y


PROBLEMS = {"mlp-start": (mlp, 0), "mlp-trained": (mlp, 150), "cnn-start": (cnn, 0), "cnn-trained": (cnn, 30)}


class Retained:
    """A product over the gradient's kept graph: the fairest ground for scipy and power iteration."""

    def __init__(self, model, x, y):
        self.params = list(model.parameters())
        self.grads = torch.autograd.grad(LOSS(model(x), y), self.params, create_graph=True)
        self.sizes = [p.numel() for p in self.params]
        self.products, self.n = 0, sum(self.sizes)

    def __call__(self, vector):
        self.products += 1
        parts = torch.split(torch.as_tensor(vector.ravel(), dtype=torch.float32), self.sizes)
        pieces = [part.view(p.shape) for part, p in zip(parts, self.params, strict=True)]
        found = torch.autograd.grad(self.grads, self.params, pieces, retain_graph=True)
        return torch.cat([f.reshape(-1) for f in found]).double().numpy()

    def operator(self):
        return scipy.sparse.linalg.LinearOperator((self.n, self.n), matvec=self, dtype=np.float64)


def ours(ends, rtol=0.01):
    def call(model, x, y, seed):
        found = inertia.torch.measure(model, LOSS, (x, y), ends=ends, rtol=rtol, weights=False, noise=0, seed=seed, depth=200)
        return (found.L if ends == "largest" else found.mu), found.provenance["hvps"]

    return call


def eigsh(which, tol, ncv=None):
    def call(model, x, y, seed):
        product = Retained(model, x, y)
        start = np.random.default_rng(seed).normal(size=product.n)
        try:
            value = scipy.sparse.linalg.eigsh(product.operator(), k=1, which=which, tol=tol, ncv=ncv, v0=start, return_eigenvectors=False)[
                0
            ]
        except scipy.sparse.linalg.ArpackNoConvergence:
            value = float("nan")
        return float(value), product.products

    return call


def power(model, x, y, seed):
    """Until the quotient changes by less than 1e-4 of itself, at most 200 products."""
    product = Retained(model, x, y)
    vector = np.random.default_rng(seed).normal(size=product.n)
    before = 0.0
    for _ in range(200):
        vector /= np.linalg.norm(vector)
        image = product(vector)
        value, vector = float(vector @ image), image
        if abs(value - before) < 1e-4 * abs(value):
            break
        before = value
    return value, product.products


def pyhessian(model, x, y, seed):
    import pyhessian  # noqa: F401  (its module is hidden behind a class of the same name)

    theirs = sys.modules["pyhessian.hessian"]
    torch.manual_seed(seed)
    count, original = [0], theirs.hessian_vector_product

    def counted(*arguments):
        count[0] += 1
        return original(*arguments)

    theirs.hessian_vector_product = counted
    mode = model.training
    try:
        (value,), _ = theirs.hessian(model, LOSS, data=(x, y), cuda=False).eigenvalues()
    finally:
        theirs.hessian_vector_product = original
        model.train(mode)
        model.zero_grad(set_to_none=True)
    return value, count[0]


def curvlinops(which, tol):
    def call(model, x, y, seed):
        from curvlinops import HessianLinearOperator

        inner = HessianLinearOperator(model, LOSS, list(model.parameters()), [(x, y)]).to_scipy()
        count = [0]

        def matvec(vector):
            count[0] += 1
            return inner @ vector.astype(inner.dtype).ravel()

        operator = scipy.sparse.linalg.LinearOperator(inner.shape, matvec=matvec, dtype=inner.dtype)
        start = np.random.default_rng(seed).normal(size=inner.shape[0]).astype(inner.dtype)
        value = scipy.sparse.linalg.eigsh(operator, k=1, which=which, tol=tol, v0=start, return_eigenvectors=False)[0]
        return float(value), count[0]

    return call


LARGEST = {
    "inertia": ours("largest"),
    "scipy eigsh tol 1e-2 ncv 8, kept graph": eigsh("LA", 1e-2, 8),
    "scipy eigsh tol 1e-2, kept graph": eigsh("LA", 1e-2),
    "PyHessian eigenvalues()": pyhessian,
    "curvlinops + eigsh, defaults": curvlinops("LA", 0),
    "power iteration, kept graph": power,
}
SMALLEST = {
    "inertia, both ends": ours("both"),
    "inertia, smallest": ours("smallest"),
    "scipy eigsh SA tol 1e-2, kept graph": eigsh("SA", 1e-2),
}


def truth(model, x, y):
    """Both ends from 150 products in float64 vectors over float32 products, and the run itself."""
    with opened(model, Loss(model, LOSS), batches_of((x, y), None, None, 12345), seed=12345) as source:
        source.gradient()
        run = krylov(source.hvp, source.space(True), rtol=1e-4, depth=150 if source.dimension < 50_000 else 60, seed=12345)
    return run


def products_for(problem, error, seed, depth=60):
    """Products after which our run from this seed is within `error` of its own limit."""
    model, *data = problem
    with opened(model, Loss(model, LOSS), batches_of(tuple(data), None, None, seed), seed=seed) as source:
        source.gradient()
        run = krylov(source.hvp, source.space(True), rtol=1e-5, ends="largest", depth=depth, seed=seed)
    tops = np.array([ritz(run.alphas[:m], run.betas[:m]).values[-1] for m in range(1, run.hvps + 1)])
    return int(np.argmax(1 - tops / tops[-1] <= max(error, 1e-7))) + 1


def measured(name, call, problem, exact, seeds):
    rows = []
    for seed in range(seeds):
        begin = time.process_time()
        value, products = call(*problem, seed)
        rows.append({"value": value, "products": products, "cpu": time.process_time() - begin, "error": abs(value / exact - 1)})
    errors = [row["error"] for row in rows]
    return {
        "call": name, "products": statistics.median(row["products"] for row in rows), "cpu": statistics.median(row["cpu"] for row in rows),
        "error_median": statistics.median(errors), "error_worst": max(errors), "miss": sum(not e <= 0.01 for e in errors), "runs": rows,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=[], help="parts of names of calls to leave out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    result = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__, "seeds": args.seeds, "problems": {}}
    say = sys.stderr if args.json else sys.stdout
    for name in args.problems:
        make, steps = PROBLEMS[name]
        problem = make(steps)
        run = truth(*problem)
        seeds = args.seeds if name.startswith("mlp") else min(args.seeds, 1)
        rows = [
            measured(call, function, problem, exact, seeds)
            for table, exact in ((LARGEST, run.largest), (SMALLEST, run.smallest))
            for call, function in table.items()
            if not any(part in call for part in args.skip)
        ]
        for row in rows[1 : len(LARGEST)]:
            if row["call"] in LARGEST:
                row["ours_at_that_error"] = statistics.median(
                    products_for(problem, row["error_worst"], seed) for seed in range(min(seeds, 3))
                )
        result["problems"][name] = {"largest": run.largest, "second": float(run.values[-2]), "smallest": run.smallest, "rows": rows}
        print(f"\n{name}: largest {run.largest:.4f}, second {run.values[-2]:.4f}, smallest {run.smallest:.5f}", file=say)
        print(f"{'':44s} products  CPU s  CPU/ours  worst error  miss  ours at that error", file=say)
        for row in rows:
            ratio, same = row["cpu"] / rows[0]["cpu"], row.get("ours_at_that_error", "")
            numbers = f"{row['products']:8.0f} {row['cpu']:6.2f} {ratio:8.2f}x {row['error_worst']:12.1e} {row['miss']:3d}/{seeds}  {same}"
            print(f"{row['call']:44s} {numbers}", file=say, flush=True)
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
