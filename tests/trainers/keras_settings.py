"""What a compiled Keras model holds beside its loss, on the backend named; prints what inertia made of it. Run by test_keras."""

import json
import os
import sys
import warnings

import numpy as np

CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(48, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]])).astype("float32")
WEIGHTS = CHANCE.uniform(0.1, 3.0, 48).astype("float32")


def line(keras, optimizer="sgd"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse")
    return model


def asked(found, name, ask):
    """What a verb gives, and what it warns of or refuses."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            found[name] = ask()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    found[f"{name} told"] = [str(one.message) for one in seen if one.category.__name__ == "InertiaWarning"]


def main(backend):
    os.environ["KERAS_BACKEND"] = backend
    import keras

    import inertia.keras as ik

    found, optimizers = {}, keras.optimizers

    def budget(optimizer, **words):
        tuned = ik.tune(line(keras, optimizer), X, Y, **({"batch_size": 8, "epochs": 4, "runs": 0} | words))
        return [tuned.budget.steps, tuned.budget.batch_size, tuned.budget.weight_decay, tuned.budget.clip, tuned.budget.factors.tolist()]

    asked(found, "decay", lambda: budget(optimizers.AdamW(weight_decay=0.3)))
    asked(found, "clip", lambda: budget(optimizers.Adam(global_clipnorm=0.5)))
    asked(found, "clipvalue", lambda: budget(optimizers.Adam(clipvalue=0.5)))
    asked(found, "clip=None", lambda: budget(optimizers.Adam(clipnorm=0.5), clip=None))
    asked(found, "together", lambda: budget(optimizers.SGD(gradient_accumulation_steps=3), epochs=8))
    asked(found, "beta2", lambda: budget(optimizers.Adam(beta_2=0.9, use_ema=True)))
    asked(found, "sgd decay", lambda: budget(optimizers.SGD(weight_decay=0.1)))
    asked(found, "schedule", lambda: budget(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.2, 1, 0.9))))
    asked(found, "usual", lambda: budget("adam"))

    def judged(compiled, **words):
        recipe = ik.check(line(keras, compiled), X, Y, lr=0.01, batch_size=8, epochs=4, **words).recipe
        return [recipe.optimizer, recipe.momentum, recipe.nesterov]

    asked(found, "check sgd", lambda: judged(optimizers.SGD(0.1, momentum=0.7, nesterov=True)))
    asked(found, "check adam", lambda: judged(optimizers.Adam(beta_1=0.6)))
    asked(found, "check other", lambda: judged(optimizers.Adam(beta_1=0.6), optimizer="sgd"))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            rows = slice(8 * index, 8 * index + 8)
            return X[rows], Y[rows], WEIGHTS[rows]

    asked(found, "weights", lambda: ik.measure(line(keras), Batches(), noise=0).L)
    design = np.hstack([X, np.ones((48, 1))])
    found["weights truth"] = float(np.linalg.eigvalsh(2 * design.T @ (design * WEIGHTS[:, None]) / 48)[-1])

    first, second = keras.Input((1,)), keras.Input((2,))
    both = keras.layers.Concatenate()([first, second])
    heads = [keras.layers.Dense(1, name="a")(both), keras.layers.Dense(1, name="b")(both)]
    several = keras.Model([first, second], heads)
    several.compile(optimizer="sgd", loss={"a": "mse", "b": "mse"}, loss_weights={"a": 1.0, "b": 3.0})
    parts, targets = [X[:, :1], X[:, 1:]], {"a": Y, "b": -Y}
    asked(found, "several", lambda: ik.measure(several, parts, targets, noise=0).L)
    asked(found, "several steps", lambda: ik.tune(several, parts, targets, batch_size=8, epochs=4, runs=0).budget.steps)
    found["several truth"] = float(3 * np.linalg.eigvalsh(2 * design.T @ design / 48)[-1])

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside, self.outside = keras.layers.Dense(2), keras.layers.Dense(3)
            self.draws = keras.random.SeedGenerator(0)

        def call(self, x, training=None):
            code = self.inside(x)
            self.add_loss(keras.ops.mean(keras.ops.square(code)))
            return self.outside(code + 0.1 * keras.random.normal(keras.ops.shape(code), seed=self.draws))

        def train_step(self, *_):
            raise RuntimeError("not to be called")

    own = Own()
    own(X[:2])
    own.compile(optimizer="adam", loss="mse")
    asked(found, "own", lambda: ik.tune(own, X, X, batch_size=8, epochs=4, runs=1).trained)

    keras.utils.set_random_seed(0)
    normed = keras.Sequential([
        keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dropout(0.3), keras.layers.Dense(1),
    ])  # fmt: skip
    normed.compile(optimizer="sgd", loss="mse")
    before = [value.copy() for value in normed.get_weights()]
    asked(
        found,
        "normed",
        lambda: [ik.measure(normed, X, Y, batch_size=8).L > 0, ik.tune(normed, X, Y, batch_size=8, epochs=4, runs=1).trained],
    )
    found["untouched"] = all(np.array_equal(a, b) for a, b in zip(before, normed.get_weights(), strict=True))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
