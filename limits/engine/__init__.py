"""load -> decide -> record: for a review's shards, for one user, or for nobody (a dry run).

The same few steps serve all three. ``asking`` has what a person or the clock asks for,
``running`` what a worker does, ``single`` one user, ``requests`` what a user asks for,
``pending`` offered and announced changes, ``trying`` the dry run, ``deciding`` the steps
that they share. ``delivering`` tells the users, ``sending`` has the ways out.
"""

from limits.engine.asking import finished, policy_for, progress, request_review, review_today, reviewed, watch
from limits.engine.deciding import Decided, code_version, decide_users, input_digests
from limits.engine.delivering import Delivery, deliver, text_of
from limits.engine.pending import Carried, DueRun, accept, decline, due_changes, set_consent
from limits.engine.requests import Answer, request_limit
from limits.engine.running import Worked, run_shard, work
from limits.engine.sending import Sender, ToCommand, ToFile, sender_for
from limits.engine.single import Recompute, recompute
from limits.engine.trying import DryRun, Mover, dry_run

__all__ = [
    "Answer",
    "Carried",
    "Decided",
    "Delivery",
    "DryRun",
    "DueRun",
    "Mover",
    "Recompute",
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
    "input_digests",
    "policy_for",
    "progress",
    "recompute",
    "request_limit",
    "request_review",
    "review_today",
    "reviewed",
    "run_shard",
    "sender_for",
    "set_consent",
    "text_of",
    "watch",
    "work",
]
