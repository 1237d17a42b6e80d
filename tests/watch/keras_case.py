"""Run by test_keras_watch in a process of its own for each backend: fit with the watch, and say what was found as JSON."""

import json
import sys

import numpy as np

backend, name, place = sys.argv[1:4]
import keras  # noqa: E402

from inertia.callbacks import KerasWatch  # noqa: E402

rng = np.random.default_rng(0)
X = rng.normal(size=(96, 5)).astype("float32")
Y = X[:, :3].argmax(1)


def fitted(callbacks):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(6, activation="tanh"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.1), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9) if name == "sgd" else keras.optimizers.AdamW(0.01)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False)
    model.fit(X, Y, batch_size=32, epochs=4, shuffle=True, verbose=0, callbacks=callbacks)
    return [np.asarray(keras.ops.convert_to_numpy(v.value)) for v in (*model.variables, *model.optimizer.variables)]


watch = KerasWatch((X, Y), every=4, say=False, log=place, expect=0.5)
seen, plain = fitted([watch]), fitted([])
same = all(np.array_equal(a, b) for a, b in zip(seen, plain, strict=True) if np.issubdtype(a.dtype, np.floating))
print(
    json.dumps(
        {
            "backend": keras.backend.backend(),
            "same": same,
            "steps": watch.steps,
            "sharpness": [look.sharpness for look in watch.looks],
            "edges": [look.edge for look in watch.looks],
            "messages": [told.name for told in watch.messages],
            "facts": str(watch.monitor.history.facts),
            "slopes": [look.taken.slope for look in watch.looks if look.taken],
        }
    )
)
