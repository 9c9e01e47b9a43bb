"""Every error that leaves this package, drawn in one place.

Errors that a person may read carry a translation ``code`` and ``fields``, never prose: the chat side turns
them into a sentence of the reader's language (``error.<code>`` in ``bot/locales``).
"""

from collections.abc import Mapping


class FineTuneError(Exception):
    """Base class: something a person can be told in their own language."""

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(f"{code} {fields}" if fields else code)
        self.code = code
        self.fields: Mapping[str, object] = fields


class DatasetError(FineTuneError):
    """A file that cannot be taken as a dataset at all (unreadable, of no known format, too large)."""


class ParameterError(FineTuneError):
    """A hyperparameter that does not exist or is out of range."""


class ProviderError(FineTuneError):
    """A provider refused; asking again will not help."""


class ProviderUnavailable(ProviderError):
    """A provider did not answer, or answered that it cannot now; ask again later."""
