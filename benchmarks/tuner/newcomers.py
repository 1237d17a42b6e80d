"""Networks that only the benchmark knows: other architectures and other data than those the search was designed on.

All of them were unseen at first; the rules of the search were then written anew with nine of them in view, and only those that
`jobs.py` calls held out had their grids and tunings made afterwards, by a script, unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia.tasks import networks as known
from inertia.tasks.arrays import digits_split, topic_windows
from inertia.tasks.data import airfoil_table

Network = known.Network
_WIDTH, _PATCHES = 32, 16  # of the vision transformer: the 16 patches of 2x2 pixels


def _split(inputs: Any, targets: Any, held: int) -> tuple[Any, Any]:
    """Standardised inputs, shuffled once: training and validation."""
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs = ((inputs - inputs[order[held:]].mean(axis=0)) / inputs[order[held:]].std(axis=0)).astype(np.float32)
    return tuple((inputs[rows], targets[rows]) for rows in (order[held:], order[:held]))


def _layers(sizes: tuple[int, ...], gain: float) -> Callable[[int], Any]:
    return partial(known._layers, sizes, gain)


def _classifier(params: Any, batch: Any) -> Any:
    return known.cross_entropy(known._feed(params, batch[0], jax.nn.relu), batch[1])


def _regression(params: Any, batch: Any) -> Any:
    return 0.5 * jnp.mean((known._feed(params, batch[0], jnp.tanh)[:, 0] - batch[1]) ** 2)


def _cancer() -> Network:
    inputs, labels = datasets.load_breast_cancer(return_X_y=True)
    train, held = _split(inputs, labels.astype(np.int32), 113)
    return Network("cancer-mlp", _layers((30, 48, 48, 2), 2.0), _classifier, train, held, 32, 210, "ReLU network on breast cancer")


def _diabetes() -> Network:
    inputs, values = datasets.load_diabetes(return_X_y=True)
    values = ((values - values.mean()) / values.std()).astype(np.float32)
    train, held = _split(inputs, values, 88)
    return Network("diabetes-mlp", _layers((10, 32, 32, 1), 1.0), _regression, train, held, 16, 330, "tanh regression on diabetes")


def _airfoil() -> Network:
    table = airfoil_table()
    values = ((table[:, -1] - table[:, -1].mean()) / table[:, -1].std()).astype(np.float32)
    train, held = _split(table[:, :-1], values, 300)
    return Network("airfoil-mlp", _layers((5, 64, 64, 1), 1.0), _regression, train, held, 64, 380, "tanh regression on airfoil noise")


def _deep() -> Network:
    images, labels = digits_split()
    sizes = (64, *(48,) * 7, 10)
    train, held = ((pictures.reshape(len(pictures), -1), names) for pictures, names in (images, labels))
    return Network("digits-deep", _layers(sizes, 2.0), _classifier, train, held, 128, 165, "eight layers, ReLU, nothing normalised")


def _vit_init(seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 8)
    block = {"qkv": known._dense(keys[0], _WIDTH, 3 * _WIDTH, 1.0), "mix": known._dense(keys[1], _WIDTH, _WIDTH, 1.0)}
    block |= {"up": known._dense(keys[2], _WIDTH, 2 * _WIDTH), "down": known._dense(keys[3], 2 * _WIDTH, _WIDTH, 1.0)}
    return block | {
        "patch": known._dense(keys[4], 4, _WIDTH, 1.0),
        "place": 0.1 * jax.random.normal(keys[5], (_PATCHES, _WIDTH)),
        "out": known._dense(keys[6], _WIDTH, 10, 1.0),
        "norms": [known._norm(_WIDTH) for _ in range(3)],
    }


def _vit_loss(params: Any, batch: Any) -> Any:
    images, labels = batch
    patches = images.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, _PATCHES, 4)
    x = patches @ params["patch"]["w"] + params["patch"]["b"] + params["place"]
    normed = known._layer_norm(params["norms"][0], x)
    queries, keys, values = jnp.split(normed @ params["qkv"]["w"] + params["qkv"]["b"], 3, axis=-1)
    scores = jnp.einsum("bld,bmd->blm", queries, keys) / np.sqrt(_WIDTH)
    x = x + jnp.einsum("blm,bmd->bld", jax.nn.softmax(scores), values) @ params["mix"]["w"] + params["mix"]["b"]
    inner = jax.nn.gelu(known._layer_norm(params["norms"][1], x) @ params["up"]["w"] + params["up"]["b"])
    x = x + inner @ params["down"]["w"] + params["down"]["b"]
    pooled = known._layer_norm(params["norms"][2], x).mean(axis=1)
    return known.cross_entropy(pooled @ params["out"]["w"] + params["out"]["b"], labels)


def _vit() -> Network:
    train, held = digits_split()
    return Network("digits-vit", _vit_init, _vit_loss, train, held, 64, 220, "a vision transformer of one block on 2x2 patches")


def _gru_init(letters: int, seed: int, width: int = 40) -> Any:
    keys = jax.random.split(jax.random.key(seed), 4)
    return {
        "letter": 0.5 * jax.random.normal(keys[0], (letters, width)),
        "gates": known._dense(keys[1], 2 * width, 2 * width, 1.0),
        "state": known._dense(keys[2], 2 * width, width, 1.0),
        "out": known._dense(keys[3], width, letters, 1.0),
    }


def _gru_loss(params: Any, batch: Any) -> Any:
    letters = batch[0]
    embedded = jnp.swapaxes(params["letter"][letters[:, :-1]], 0, 1)

    def cell(hidden: Any, x: Any) -> tuple[Any, Any]:
        update, reset = jnp.split(
            jax.nn.sigmoid(jnp.concatenate([x, hidden], -1) @ params["gates"]["w"] + params["gates"]["b"]), 2, axis=-1
        )
        fresh = jnp.tanh(jnp.concatenate([x, reset * hidden], -1) @ params["state"]["w"] + params["state"]["b"])
        hidden = update * hidden + (1 - update) * fresh
        return hidden, hidden

    _, states = jax.lax.scan(cell, jnp.zeros(embedded.shape[1:]), embedded)
    logits = jnp.swapaxes(states, 0, 1) @ params["out"]["w"] + params["out"]["b"]
    return known.cross_entropy(logits, letters[:, 1:])


def _gru() -> Network:
    train, held, letters = topic_windows()
    return Network("char-gru", partial(_gru_init, letters), _gru_loss, train, held, 32, 200, "a recurrent network on documentation topics")


def _wine() -> Network:
    inputs, labels = datasets.load_wine(return_X_y=True)
    train, held = _split(inputs, labels.astype(np.int32), 38)
    return Network("wine-mlp", _layers((13, 32, 32, 3), 2.0), _classifier, train, held, 20, 140, "ReLU network on wine")


def _rows_init(seed: int, width: int = 48) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    cell = known._dense(keys[1], width, width, 1.0)
    return {"read": known._dense(keys[0], 8, width, 1.0), "cell": cell, "out": known._dense(keys[2], width, 10, 1.0)}


def _rows_loss(params: Any, batch: Any) -> Any:
    images, labels = batch
    state = jnp.zeros((images.shape[0], params["cell"]["b"].shape[0]))
    for row in range(8):
        read = images[:, row] @ params["read"]["w"] + params["read"]["b"]
        state = jnp.tanh(read + state @ params["cell"]["w"] + params["cell"]["b"])
    return known.cross_entropy(state @ params["out"]["w"] + params["out"]["b"], labels)


def _rows() -> Network:
    train, held = digits_split()
    return Network("digits-rnn", _rows_init, _rows_loss, train, held, 64, 260, "a tanh recurrent network that reads digits row by row")


_CONTEXT = 6  # letters that the n-gram network sees


def _gram_init(letters: int, seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    letter = 0.5 * jax.random.normal(keys[0], (letters, 12))
    return {"letter": letter, "in": known._dense(keys[1], 12 * _CONTEXT, 64), "out": known._dense(keys[2], 64, letters, 1.0)}


def _gram_loss(params: Any, batch: Any) -> Any:
    letters, following = batch
    x = params["letter"][letters].reshape(letters.shape[0], -1)
    x = jax.nn.relu(x @ params["in"]["w"] + params["in"]["b"])
    return known.cross_entropy(x @ params["out"]["w"] + params["out"]["b"], following)


def _gram() -> Network:
    windows, held, letters = topic_windows()
    parts = tuple((array[0][:, :_CONTEXT], array[0][:, _CONTEXT]) for array in (windows, held))
    return Network("char-ngram", partial(_gram_init, letters), _gram_loss, *parts, 50, 400, "the next letter from the last six")


def _mixed_init(seed: int, width: int = 48) -> Any:
    keys = jax.random.split(jax.random.key(seed), 6)
    ups = [known._dense(key, width, 96) for key in keys[:2]]
    downs = [known._dense(key, 96, width, 1.0) for key in keys[2:4]]
    blocks = [{"up": up, "down": down, "norm": known._norm(width)} for up, down in zip(ups, downs, strict=True)]
    return {"in": known._dense(keys[4], 64, width, 1.0), "blocks": blocks, "out": known._dense(keys[5], width, 10, 1.0)}


def _mixed_loss(params: Any, batch: Any) -> Any:
    images, labels = batch
    x = images.reshape(images.shape[0], -1) @ params["in"]["w"] + params["in"]["b"]
    for block in params["blocks"]:
        inner = jax.nn.gelu(known._layer_norm(block["norm"], x) @ block["up"]["w"] + block["up"]["b"])
        x = x + inner @ block["down"]["w"] + block["down"]["b"]
    return known.cross_entropy(x @ params["out"]["w"] + params["out"]["b"], labels)


def _mixed() -> Network:
    train, held = digits_split()
    return Network("digits-residual", _mixed_init, _mixed_loss, train, held, 96, 150, "a residual network with layer normalisation")


def _squeezed_loss(params: Any, batch: Any) -> Any:
    return 0.5 * jnp.mean(jnp.sum((known._feed(params, batch[0], jnp.tanh) - batch[0]) ** 2, axis=-1))


def _squeezed() -> Network:
    inputs, labels = datasets.load_breast_cancer(return_X_y=True)
    train, held = _split(inputs, labels, 113)
    init = _layers((30, 20, 6, 20, 30), 1.0)
    return Network("cancer-autoencoder", init, _squeezed_loss, train[:1], held[:1], 32, 280, "tanh autoencoder of breast cancer")


def _convnorm_init(seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    convolutions = {"one": known._dense(keys[0], 9, 12), "two": known._dense(keys[1], 108, 16)}
    return convolutions | {"norms": [known._norm(12), known._norm(16)], "out": known._dense(keys[2], 64, 10, 1.0)}


def _convnorm_loss(params: Any, batch: Any) -> Any:
    images, labels = batch
    x = known._halve(jax.nn.gelu(known._layer_norm(params["norms"][0], known._convolve(params["one"], images[..., None]))))
    x = known._halve(jax.nn.gelu(known._layer_norm(params["norms"][1], known._convolve(params["two"], x))))
    return known.cross_entropy(x.reshape(x.shape[0], -1) @ params["out"]["w"] + params["out"]["b"], labels)


def _convnorm() -> Network:
    train, held = digits_split()
    return Network("digits-convnorm", _convnorm_init, _convnorm_loss, train, held, 48, 180, "convolutions with layer normalisation")


NEWCOMERS = {
    "cancer-autoencoder": _squeezed,
    "digits-convnorm": _convnorm,
    "wine-mlp": _wine,
    "digits-rnn": _rows,
    "char-ngram": _gram,
    "digits-residual": _mixed,
    "cancer-mlp": _cancer,
    "diabetes-mlp": _diabetes,
    "airfoil-mlp": _airfoil,
    "digits-deep": _deep,
    "digits-vit": _vit,
    "char-gru": _gru,
}


@cache
def network(name: str) -> Network:
    """A network of the benchmark by name: one of inertia's own, or a newcomer."""
    return NEWCOMERS[name]() if name in NEWCOMERS else known.network(name)
