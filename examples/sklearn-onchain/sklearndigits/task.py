"""The model, the data of one site, and the model's weights as a list of arrays."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier


def create_model(seed: int = 0) -> SGDClassifier:
    """A linear classifier of 64 pixels into ten digits, with all weights zero."""
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=seed)
    model.classes_ = np.arange(10)
    set_weights(model, [np.zeros((10, 64)), np.zeros(10)])
    return model


def get_weights(model: SGDClassifier) -> list[np.ndarray]:
    """Coefficients, of shape (10, 64), and intercepts, of shape (10,)."""
    return [model.coef_, model.intercept_]


def set_weights(model: SGDClassifier, weights: list[np.ndarray]) -> None:
    """What `get_weights` gave."""
    model.coef_, model.intercept_ = (array.copy() for array in weights)


def load_data(partition_id: int, num_partitions: int):
    """Training and test rows of one site: every `num_partitions`-th of the digits."""
    x, y = load_digits(return_X_y=True)
    x, y = x[partition_id::num_partitions] / 16.0, y[partition_id::num_partitions]
    split = len(y) * 4 // 5
    return x[:split], x[split:], y[:split], y[split:]
