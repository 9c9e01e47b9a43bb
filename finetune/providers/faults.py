"""What goes wrong between us and a provider, as errors with a code, in one place.

``ProviderUnavailable``: ask again later. ``ProviderError``: a final no. The provider's own words are in ``detail``.
"""

import asyncio
import email.utils
import time
from collections.abc import Iterator
from contextlib import contextmanager

from finetune.errors import ProviderError, ProviderUnavailable

LONGEST_DETAIL = 300
LONGEST_PAUSE = 3600.0
# Codes after which what was asked for may have been done all the same.
AMBIGUOUS = frozenset({"provider_timeout", "provider_down", "provider_lost", "provider_not_json", "provider_odd"})

_REFUSALS = {
    401: "provider_key",
    402: "provider_forbidden",
    403: "provider_forbidden",
    404: "provider_missing",
    409: "provider_conflict",
    410: "provider_gone",
    413: "provider_file_too_large",
}


def refused(
    provider: str, status: int, detail: str = "", *, code: object = "", retry_after: str | None = None
) -> ProviderError:
    """The error of an HTTP status of 400 or more. ``code``: the provider's own, shown beside the status."""
    word = f"{status} {code}".strip()
    fields: dict[str, object] = {"provider": provider, "status": word, "detail": shortened(detail)}
    if status == 429:
        pause = seconds_of(retry_after)
        return ProviderUnavailable("provider_busy", **fields, **({} if pause is None else {"retry_after": pause}))
    if status in (408, 504):
        return ProviderUnavailable("provider_timeout", **fields)
    if status >= 500:
        pause = seconds_of(retry_after)
        return ProviderUnavailable("provider_down", **fields, **({} if pause is None else {"retry_after": pause}))
    return ProviderError(_REFUSALS.get(status, "provider_refused"), **fields)


def odd(provider: str, what: str) -> ProviderUnavailable:
    """JSON that does not have what its documents promise."""
    return ProviderUnavailable("provider_odd", provider=provider, status="", detail=shortened(what))


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which may be a date; None if it is neither."""
    if not retry_after:
        return None
    try:
        return min(max(0.0, float(retry_after)), LONGEST_PAUSE)
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError):
        return None
    return min(max(0.0, at - time.time()), LONGEST_PAUSE)


def shortened(detail: str) -> str:
    """One line that fits a card."""
    return " ".join(detail.split())[:LONGEST_DETAIL]


@contextmanager
def only_later() -> Iterator[None]:
    """A refusal while a job is looked at ends nothing: a key may be mended, and the job goes on at the provider."""
    try:
        yield
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        raise ProviderUnavailable(error.code, **error.fields) from error


def is_timeout(error: BaseException) -> bool:
    """Whether an answer did not come in time."""
    return isinstance(error, asyncio.TimeoutError | TimeoutError)
