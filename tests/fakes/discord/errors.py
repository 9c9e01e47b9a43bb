"""How Discord says no: a status, a JSON error code, a message."""

from typing import Any


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message, **more}


def invalid(path: str, reason: str) -> ApiError:
    """50035: which field, and why."""
    problem: Any = {"_errors": [{"code": "INVALID", "message": reason}]}
    for part in reversed(path.split(".")):
        problem = {part: problem}
    return ApiError(400, 50035, "Invalid Form Body", errors=problem)


UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
UNKNOWN_MEMBER = (404, 10007, "Unknown Member")
ACKNOWLEDGED = (400, 40060, "Interaction has already been acknowledged.")
TOO_LARGE = (413, 40005, "Request entity too large")
NO_ACCESS = (403, 50001, "Missing Access")
NO_PRIVATE = (403, 50007, "Cannot send messages to this user")
NO_PERMISSION = (403, 50013, "Missing Permissions")
NOT_OURS = (403, 50005, "Cannot edit a message authored by another user")
EMPTY = (400, 50006, "Cannot send an empty message")
