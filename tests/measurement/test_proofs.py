"""One random start proves a largest curvature with fewer products than the other proofs that benchmarks/proof_products.py tries."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from inertia.measurement import lanczos

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def proofs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("proof_products")


@pytest.mark.parametrize("name", ["cnn", "resnet-11M"])
def test_one_start_needs_fewest_products(proofs, name):
    run = json.loads(proofs.DATA.read_text())[name]
    counts = proofs.row(run, 3)
    single = counts.pop("one start")
    assert all(other is None or other > single for other in counts.values())


def test_the_script_counts_as_a_measurement_does(proofs):
    run = json.loads(proofs.DATA.read_text())["cnn"]
    values, copies = proofs.spectrum(run)
    curvatures, vectors = proofs.drawn(values, copies, np.random.default_rng(0))
    alphas, betas, _ = proofs.recurrence(curvatures, vectors[:, 0], proofs.MOST)
    found = lanczos(lambda v: curvatures * v, start=vectors[:, 0], ends="largest", rtol=proofs.RTOL)
    np.testing.assert_allclose(found.alphas, alphas[: found.hvps], rtol=1e-9)
    share = proofs.smallest_share(len(curvatures), proofs.FAILURE)  # that of the space in which `lanczos` was run
    assert proofs.proven(alphas, betas, share) == found.hvps


def test_the_polynomials_of_a_block_are_the_shares_of_an_eigenvector(proofs):
    """By a dense matrix: x^T Q_j for the largest one's vector x, which a bar for two starts at once rests on."""
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((30, 30))
    matrix += matrix.T
    basis, blocks, links = [np.linalg.qr(rng.standard_normal((30, 2)))[0]], [], []
    for _ in range(6):
        everything, image = np.concatenate(basis, axis=1), matrix @ basis[-1]
        blocks.append(basis[-1].T @ image)
        following, link = np.linalg.qr(image - everything @ (everything.T @ image))
        basis.append(following)
        links.append(link)
    values, vectors = np.linalg.eigh(matrix)
    for q, polynomial in zip(basis, proofs.polynomials(blocks, links, values[-1]), strict=True):
        np.testing.assert_allclose(vectors[:, -1] @ basis[0] @ polynomial, vectors[:, -1] @ q, atol=1e-9)


def test_a_second_start_is_given_all_the_room_that_the_bound_leaves(proofs):
    """At the bound that `room` gives, the matrix with locked directions on top has its largest at 1 % above theirs."""
    values, residuals = np.array([0.4, 0.9, 1.0]), np.array([0.1, 0.05, 0.02])
    rest = proofs.room(values, residuals)
    whole = np.zeros((4, 4))  # one more direction, which every residual leads into
    whole[:3, :3], whole[:3, 3], whole[3, :3], whole[3, 3] = np.diag(values), residuals, residuals, rest
    np.testing.assert_allclose(np.linalg.eigvalsh(whole)[-1], 1 + proofs.RTOL, rtol=1e-9)
