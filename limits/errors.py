"""Everything that can go wrong on purpose, on one page.

Each message names the culprit and the mend, in one sentence that a person at the command
line can act on. ``exit_code`` is what the command line leaves with.
"""

from __future__ import annotations

from collections.abc import Sequence


class LimitsError(Exception):
    """The root: whatever this product refuses to do, and why."""

    exit_code = 1


class InputError(LimitsError):
    """An argument, a file or a value from outside that cannot be used."""

    exit_code = 2


class OutputLost(LimitsError):
    """Standard output that cannot be written: not all of the result reached whoever wanted it."""


class SettingsError(InputError):
    """An environment variable that cannot be used."""


class PolicyError(InputError):
    """A policy that cannot be used: file, line and mend stand in the message.

    ``mistakes``: of a text, each line that is wrong and what to do about it.
    """

    def __init__(self, message: str, mistakes: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.mistakes = tuple(mistakes)


class NotFound(InputError):
    """A user, review or entry that is not there."""


class InArchive(NotFound):
    """An entry, a review or a date whose month of the log is archived: the message names the file."""


class ArchiveRefused(LimitsError):
    """A month of the log that cannot be archived now: it is still here, whole."""


class NotOpenYet(LimitsError):
    """A user on a date before the account was opened: there was no limit."""


class DatabaseError(LimitsError):
    """The database cannot be reached, started or used."""

    exit_code = 3


class MigrationError(DatabaseError):
    """The schema is not what the code needs, and how to bring it there."""


class SnapshotError(LimitsError):
    """A snapshot that was altered, is gone or cannot be read: what was decided from it cannot be checked."""


class EntryError(LimitsError):
    """Bytes or a record of the adjustment log that are not written as they must be: altered or damaged."""


class CheckpointError(LimitsError):
    """A checkpoint of the adjustment log that is not written as it must be, or that nobody trusted has signed."""


class BrokerError(LimitsError):
    """The message broker cannot be reached."""

    exit_code = 3


class ReviewRefused(LimitsError):
    """A review that may not be made, or does not run any longer."""


class NoDecision(ReviewRefused):
    """A user about whom nothing can be decided. ``reason`` is the code of why."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChangeEnded(LimitsError):
    """An offered or announced change, or a request, that is no longer open: nothing was done."""


class PolicyNotApproved(ReviewRefused):
    """A policy that nobody approved, or that was withdrawn, was to decide."""


class RiskModelNotApproved(PolicyNotApproved):
    """A risk model that nobody approved, or that was withdrawn, was to score."""


class RiskModelError(LimitsError):
    """A risk model that is gone, or whose text is not that of its hash: what it scored cannot be scored again."""


class ApprovalRefused(LimitsError):
    """A proposal, verdict or override that may not be made so, or not by this person."""


class ErasureRefused(ReviewRefused):
    """A user who cannot be erased as things stand, or who was: nothing more is kept or decided of that user."""


class LeaseLost(LimitsError):
    """Somebody else works on the shard by now; nothing was written."""


class KillSwitchEngaged(LimitsError):
    """Somebody stopped all applying; nothing was written."""


class PartDamaged(LimitsError):
    """What was decided of a shard is not what stands there now: nothing of it is applied."""


class DecidedTooLongAgo(LimitsError):
    """The users have moved on since they were decided; nothing was written."""


class BreakerTripped(LimitsError):
    """A review would do more than was let through; nothing was written. ``figures``: what it would come to."""

    def __init__(self, message: str, figures: dict[str, int]) -> None:
        super().__init__(message)
        self.figures = figures


class KeyReused(InputError):
    """An idempotency key that was used before, for something else."""


class DeliveryFailed(LimitsError):
    """A message that could not be handed over: it waits for the next time."""


class DeliveryStopped(LimitsError):
    """Whoever takes messages takes none now: all wait for the next time."""


class SealError(LimitsError):
    """Nothing can be sealed: key, file of checkpoints and database do not fit together, and how to mend that."""


class SealBusy(LimitsError):
    """Another sealer is at it just now."""


class AnchorFailed(LimitsError):
    """The second anchor did not take a checkpoint: the next one is handed over in its place."""


class NotSealed(LimitsError):
    """An entry that no checkpoint is over yet, so that nothing can be proved of it."""
