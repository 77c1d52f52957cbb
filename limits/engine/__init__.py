"""load -> decide -> record: for a review's shards, for one user, or for nobody (a dry run).

The same few steps serve all three. ``asking`` has what a person asks for, ``owing`` what the clock does,
``running`` what a worker does, ``shards`` with one shard and ``gate`` between deciding and
applying; ``single`` one user, ``requests`` what a user asks for, ``pending`` offered and
announced changes, ``trying`` the dry run, ``deciding`` the steps that they share.
``delivering`` tells the users, ``sending`` has the ways out; ``reconciling`` looks at a review that is over and
``replaying`` decides again what the log holds.
"""

from limits.engine.asking import MANUAL, finished, policy_for, progress, request_review, reviewed, usual_policy, watch
from limits.engine.deciding import Decided, code_version, decide_users, made_by
from limits.engine.delivering import Delivery, deliver, text_of, text_shown
from limits.engine.owing import Owed, Owing, missed, owe_due, run_schedule, timetable
from limits.engine.pending import Carried, DueRun, accept, decline, due_changes, set_consent
from limits.engine.reconciling import reconcile_owed
from limits.engine.replaying import Replay, Sample, replay_log
from limits.engine.requests import Answer, request_limit
from limits.engine.running import Worked, work
from limits.engine.sending import Sender, ToCommand, ToFile, sender_for
from limits.engine.shards import run_shard
from limits.engine.single import Recompute, recompute
from limits.engine.trying import DryRun, Mover, dry_run

__all__ = [
    "MANUAL",
    "Answer",
    "Carried",
    "Decided",
    "Delivery",
    "DryRun",
    "DueRun",
    "Mover",
    "Owed",
    "Owing",
    "Recompute",
    "Replay",
    "Sample",
    "Sender",
    "ToCommand",
    "ToFile",
    "Worked",
    "accept",
    "code_version",
    "decide_users",
    "decline",
    "deliver",
    "dry_run",
    "due_changes",
    "finished",
    "made_by",
    "missed",
    "owe_due",
    "policy_for",
    "progress",
    "recompute",
    "reconcile_owed",
    "replay_log",
    "request_limit",
    "request_review",
    "reviewed",
    "run_schedule",
    "run_shard",
    "sender_for",
    "set_consent",
    "text_of",
    "text_shown",
    "timetable",
    "usual_policy",
    "watch",
    "work",
]
