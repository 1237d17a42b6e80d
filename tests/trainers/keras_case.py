"""One Keras model on the backend named, measured, tuned and fitted; prints what was found. Run by test_keras."""

import json
import os
import sys

import numpy as np


def main(backend):
    os.environ["KERAS_BACKEND"] = backend  # not where this file is merely collected
    import keras

    import inertia.keras

    chance = np.random.default_rng(0)
    x = chance.normal(size=(48, 3)).astype("float32")
    y = (x @ np.array([[1.0], [-2.0], [0.5]])).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.05))])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    before, start = [w.copy() for w in model.get_weights()], float(model.evaluate(x, y, verbose=0))
    seen = inertia.keras.measure(model, x, y, noise=0)
    found = inertia.keras.tune(model, x, y, batch_size=8, epochs=4, validation_data=(x, y), runs=1)
    untouched = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    checked = inertia.keras.check(model, x, y, lr=0.05, batch_size=8, epochs=4)
    refused = []
    bare = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    for odd, words in ((bare, {}), (object(), {}), (model, {"learning_rate": 0.1})):
        try:
            inertia.keras.tune(odd, x, y, **words)
        except inertia.InertiaError as error:
            refused.append(str(error))
    model.compile(optimizer=found.keras(), loss="mse")
    model.fit(x, y, batch_size=8, epochs=4, verbose=0)
    design = np.hstack([x, np.ones((48, 1))])
    hessian = 2 * design.T @ design / 48 + np.diag([0.1, 0.1, 0.1, 0.0])
    print(json.dumps({
        "L": seen.L, "truth": float(np.linalg.eigvalsh(hessian)[-1]), "steps": found.budget.steps, "batch": found.budget.batch_size,
        "untouched": untouched, "stable": bool(checked.stable), "refused": refused, "verified": found.verified_loss,
        "after": float(model.evaluate(x, y, verbose=0)), "optimizer": found.recipe.optimizer, "start": start,
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
