"""Run by test_keras_watch in a process of its own for each backend: fit with the watch, and say what was found as JSON."""

import json
import sys

import numpy as np


def fitted(keras, name, callbacks):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 5)).astype("float32")
    y = x[:, :3].argmax(1)
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(6, activation="tanh"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.1), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9) if name == "sgd" else keras.optimizers.AdamW(0.01)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False)
    model.fit(x, y, batch_size=32, epochs=4, shuffle=True, verbose=0, callbacks=[make((x, y)) for make in callbacks])
    return [np.asarray(keras.ops.convert_to_numpy(v.value)) for v in (*model.variables, *model.optimizer.variables)]


def main(name, place):
    import keras

    from inertia.callbacks import KerasWatch
    from inertia.errors import BadInput

    made = []

    def watch(probe):
        made.append(KerasWatch(probe, every=4, say=False, log=place, expect=0.5))
        return made[0]

    refused = []
    for words in ({"budget": 0}, {"budget": 1.5}, {"every": 0}):
        try:
            KerasWatch((np.zeros((4, 5)), np.zeros(4)), **words)
        except BadInput as error:
            refused.append(str(error).split(":")[0])
    seen, plain = fitted(keras, name, [watch]), fitted(keras, name, [])
    same = all(np.array_equal(a, b) for a, b in zip(seen, plain, strict=True) if np.issubdtype(a.dtype, np.floating))
    found = {
        "backend": keras.backend.backend(), "same": same, "steps": made[0].steps, "sharpness": [look.sharpness for look in made[0].looks],
        "edges": [look.edge for look in made[0].looks], "facts": str(made[0].monitor.history.facts),
        "refused": refused,
        "along": [look.along_gradient for look in made[0].looks], "slopes": [look.taken.slope for look in made[0].looks if look.taken],
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:3])
