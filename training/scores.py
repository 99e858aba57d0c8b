"""How good predictions are: accuracy, macro F1, calibration, and how often we would act without a command."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from conch.contracts.specs import INTENTS
from conch.contracts.thresholds import DEFAULT_THRESHOLDS
from conch.decision import ASSISTANT_INTENTS

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    texts: int
    accuracy: float
    macro_f1: float
    """Over the intents that occur."""
    ece: float
    """Expected calibration error: by how much confidence and accuracy disagree, in 15 bins."""
    nll: float
    """Mean negative log-likelihood."""
    false_acts: float
    """Share of texts that would be acted on, and wrongly."""
    missed: float
    """Share of commands that would not be acted on as what they are."""

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 5) for name, value in asdict(self).items()}


def probabilities(logits: npt.ArrayLike, temperature: float) -> Floats:
    scaled = np.asarray(logits, np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found


def score(logits: npt.ArrayLike, labels: Labels, temperature: float) -> Scores:
    found = probabilities(logits, temperature)
    chosen, confidence = found.argmax(axis=1), found.max(axis=1)
    right = chosen == labels
    commands = np.array([intent not in ASSISTANT_INTENTS for intent in INTENTS])
    acted = commands[chosen] & (confidence >= DEFAULT_THRESHOLDS.execute)
    called = commands[labels]
    return Scores(
        texts=len(labels),
        accuracy=float(right.mean()),
        macro_f1=_macro_f1(chosen, labels),
        ece=_ece(confidence, right),
        nll=negative_log_likelihood(logits, labels, temperature),
        false_acts=float((acted & ~right).mean()),
        missed=float(1 - (acted & right)[called].mean()) if called.any() else 0.0,
    )


def negative_log_likelihood(logits: npt.ArrayLike, labels: Labels, temperature: float) -> float:
    found = probabilities(logits, temperature)
    return float(-np.log(np.maximum(found[np.arange(len(labels)), labels], 1e-12)).mean())


def fit_temperature(logits: npt.ArrayLike, labels: Labels) -> float:
    """The divisor of the logits under which the labels are likeliest, by golden section between 1/8 and 8."""
    low, high = np.log(1 / 8), np.log(8)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(logits, labels, np.exp(left)) < negative_log_likelihood(
            logits, labels, np.exp(right)
        ):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _macro_f1(chosen: Labels, labels: Labels) -> float:
    values = []
    for label in np.unique(labels):
        hits = ((chosen == label) & (labels == label)).sum()
        values.append(2 * hits / ((chosen == label).sum() + (labels == label).sum()))
    return float(np.mean(values))


def _ece(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == one].mean() - right[place == one].mean()) * (place == one).mean()
        for one in np.unique(place)
    ]
    return float(np.sum(gaps))
