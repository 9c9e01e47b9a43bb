"""How near answers are to the way the training answers are written. Loads scikit-learn: for the worker only.

The classifier tells training answers from the base's own answers to questions of the *training* rows: nothing of the
held-out rows is in it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

_LEAST = 5  # answers of each kind
_WORDS = 40
_SENTENCE = re.compile(r"[。！？!?…]+|\.(?:\s|$)")
_LIST = re.compile(r"(?m)^\s*(?:[-*•]|\d+[.)、])\s")


@dataclass(frozen=True, slots=True)
class Style:
    """Of one contestant's answers. ``likeness``: mean probability (0 to 1) that an answer is written like the training
    answers; ``words``: domain words in an answer on average; ``sentences``: of an answer in the median; ``lists``:
    share of answers with a list; ``length``: characters, median; ``length_ratio``: to the person's answer, median.
    """

    likeness: float | None
    words: float
    sentences: float
    lists: float
    length: float
    length_ratio: float


class Stylist:
    """Learned from training rows."""

    def __init__(self, training: Sequence[str], base: Sequence[str], seed: int) -> None:
        self.domain: tuple[str, ...] = ()
        self._classifier: Any = None
        kept = [answer for answer in training if answer.strip()]
        others = [answer for answer in base if answer.strip()]
        if len(kept) >= _LEAST and len(others) >= _LEAST:
            self._learn(kept, others, seed)

    def _learn(self, kept: Sequence[str], others: Sequence[str], seed: int) -> None:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
        from sklearn.feature_selection import chi2
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        texts, labels = [*kept, *others], [1] * len(kept) + [0] * len(others)
        self._classifier = make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, max_features=50_000),
            LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed),
        ).fit(texts, labels)
        # Words of a language with spaces; of Chinese every two characters.
        counter = CountVectorizer(analyzer=_words, binary=True)
        counts = counter.fit_transform(texts)
        scores, _ = chi2(counts, labels)
        share = counts[: len(kept)].mean(axis=0).A1 - counts[len(kept) :].mean(axis=0).A1
        names = counter.get_feature_names_out()
        order = sorted(range(len(names)), key=lambda place: -scores[place])
        self.domain = tuple(str(names[place]) for place in order if share[place] > 0)[:_WORDS]

    def likeness(self, texts: Sequence[str]) -> list[float] | None:
        """For each text how probably it is written like the training answers; None where that could not be learned."""
        if self._classifier is None or not texts:
            return None
        return [float(row[1]) for row in self._classifier.predict_proba(list(texts))]

    def style(self, answers: Sequence[str], references: Sequence[str]) -> Style:
        """Of answers (at least one) beside the persons' answers to the same questions."""
        likeness = self.likeness(answers)
        domain = set(self.domain)
        ratios = [
            len(answer) / len(reference) for answer, reference in zip(answers, references, strict=True) if reference
        ]
        return Style(
            likeness=None if likeness is None else fmean(likeness),
            words=fmean(len(domain & set(_words(answer))) for answer in answers),
            sentences=float(median(len(_SENTENCE.findall(answer)) for answer in answers)),
            lists=fmean(bool(_LIST.search(answer)) for answer in answers),
            length=float(median(len(answer) for answer in answers)),
            length_ratio=float(median(ratios)) if ratios else 0.0,
        )


def _words(text: str) -> list[str]:
    """Words of three Latin letters and more, and every two Chinese characters that stand together."""
    lower = text.lower()
    return re.findall(r"[a-z]{3,}", lower) + re.findall(r"(?=([\u4e00-\u9fff]{2}))", lower)
