"""The one exception family that a user may meet: a sentence that names the place, the value and the way out."""

from __future__ import annotations


class SemisegError(Exception):
    """Something that the user can mend; the command line prints it as one sentence, without a traceback."""


class DataError(SemisegError):
    """A scan, a label or a folder that cannot be used as it is."""


class SettingsError(SemisegError):
    """A setting that is unknown, out of range, or at odds with another."""


class RunFolderError(SemisegError):
    """A run folder that is missing, incomplete, in use, or made with other settings."""


class TrainingError(SemisegError):
    """A training that cannot go on: non-finite losses, a full disk."""
