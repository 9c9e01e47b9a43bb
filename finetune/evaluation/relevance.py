"""Whether answers belong to their questions, or would do for any. Loads scikit-learn and scipy: for the worker only.

Each answer is compared (character n-grams) with what belongs to its own question (the question and the person's answer)
and with what belongs to the others'. A permutation test says how probable such a closeness is if answers and questions
were paired by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 8  # answers
_PERMUTATIONS = 2000


@dataclass(frozen=True, slots=True)
class Relevance:
    """``closer``: how much nearer answers are to their own question than to others' (0: no more). ``chance``: how
    probable that is by chance, 0 to 1."""

    closer: float
    chance: float


def relevance(
    questions: Sequence[str], references: Sequence[str], answers: Sequence[str], seed: int
) -> Relevance | None:
    """Of answers in the order of their questions; None for fewer than :data:`LEAST`, or where nothing can be read."""
    if len(answers) < LEAST or not any(answer.strip() for answer in answers):
        return None
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    about = [f"{question}\n{reference}" for question, reference in zip(questions, references, strict=True)]
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(2, 4), sublinear_tf=True)
    known = vectorizer.fit_transform(about)
    table = np.asarray((vectorizer.transform(list(answers)) @ known.T).todense())
    # Against what any question of the set would have got, so that language and voice alone count for nothing.
    table = table - table.mean(axis=0, keepdims=True) - table.mean(axis=1, keepdims=True) + table.mean()
    own = float(np.trace(table)) / len(table)
    chance = np.random.default_rng(seed)
    places = np.arange(len(table))
    as_near = sum(float(table[places, chance.permutation(len(table))].mean()) >= own for _ in range(_PERMUTATIONS))
    return Relevance(own, (as_near + 1) / (_PERMUTATIONS + 1))
