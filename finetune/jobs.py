"""The life of a fine-tune job: its states and the transitions between them, nothing else.

The names are those of OpenAI's fine-tuning API, plus two of our own:
``awaiting_operator`` (a person has to act in a provider's console) and ``deploying``.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    VALIDATING_FILES = "validating_files"
    QUEUED = "queued"
    AWAITING_OPERATOR = "awaiting_operator"
    RUNNING = "running"
    DEPLOYING = "deploying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True for the three states that a job never leaves."""
        return self in ENDED

    @property
    def resumable(self) -> bool:
        """True for the two ends after which a person may have it go on from a checkpoint: it made no model."""
        return self in RESUMABLE


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
OPEN = frozenset(JobState) - ENDED
RESUMABLE = ENDED - {JobState.SUCCEEDED}

# A provider may skip states (a poll sees only snapshots) and may put a running job back into its queue;
# what never happens is that an ended job moves but for a person who has it go on.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    state: (frozenset() if state in ENDED else frozenset(JobState) - {state, JobState.VALIDATING_FILES})
    for state in JobState
}


class InvalidTransition(ValueError):
    """A job was asked to move where its life does not lead."""


def check_transition(before: JobState, after: JobState) -> None:
    """Raise :class:`InvalidTransition` unless a job may go from ``before`` to ``after``."""
    if after not in TRANSITIONS[before]:
        raise InvalidTransition(f"{before} -> {after}")
