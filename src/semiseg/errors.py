"""The one exception family that a user may meet: a sentence that names the place, the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SemisegError(Exception):
    """Something that the user can mend; the command line prints it as one sentence, without a traceback."""


class DataError(SemisegError):
    """A scan, a label or a folder that cannot be used as it is."""


class SettingsError(SemisegError):
    """A setting that is unknown, out of range, or at odds with another."""


class RunFolderError(SemisegError):
    """A run folder that is missing, incomplete, in use, or made with other settings."""


class SealedError(SemisegError):
    """A test case that was to be read before the training was finished."""


class TrainingError(SemisegError):
    """A training that cannot go on: non-finite losses, a full disk."""


class OtherProcessError(SemisegError):
    """What the first of several processes said when it failed, raised in the others."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' if a known name is near; else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
