"""limits policy propose, approve, reject, withdraw, history: who decides what decides."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common
from limits.cli.proposals import COLUMNS, SHORT, standing

if TYPE_CHECKING:
    from limits.store.approvals import Approval, Verdict

ProposalId = Annotated[int, common.number_argument("ID", "Number of the proposal.")]
Why = Annotated[str, common.words_option("--reason", "Why, as the history shall say.")]


class Role(enum.StrEnum):
    """What a policy is proposed for."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("propose")(propose)
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("withdraw")(withdraw)
    app.command("history")(history)


def propose(
    name: Annotated[
        str,
        typer.Argument(metavar="POLICY", help="A TOML file, a folder of them or a pack by name.", show_default=False),
    ],
    reason: Why,
    role: Annotated[
        Role, typer.Option("--role", help="champion: it decides. challenger: it is tried in the shadow.")
    ] = Role.CHAMPION,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Propose a policy; it decides once somebody else has approved it."""
    from limits.engine import governing
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    with common.database(settings) as database:
        who = common.the_actor(settings, actor)
        made = governing.propose_policy(database, name, role=role.value, actor=who, reason=reason)
    if json:
        print_json({"proposals": [one.as_dict() for one in made]})
        return
    _table([one.approval for one in made])
    for one in made:
        number = one.approval.approval_id
        if one.approval.state == "approved":
            note(f"proposal {number} is approved already: nothing was changed")
        elif one.changed:
            note(f"proposed; another person approves it: limits policy approve {number} --reason '...'")
        else:
            note(f"proposal {number} was there already: nothing was changed")


def approve(number: ProposalId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Approve a policy that somebody else proposed; one of the same pack and date that was approved is withdrawn."""
    _decide(number, "approve", reason, actor, json=json)


def reject(number: ProposalId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Reject a policy that somebody else proposed."""
    _decide(number, "reject", reason, actor, json=json)


def withdraw(number: ProposalId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Take back a proposal or an approval; nothing is applied by the policy any more, not even by a running review."""
    _decide(number, "withdraw", reason, actor, json=json)


def _decide(number: int, verdict: Verdict, reason: str, actor: str | None, *, json: bool) -> None:
    from limits.engine import governing
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    with common.database(settings) as database:
        who = common.the_actor(settings, actor)
        made = governing.decide_policy(database, number, verdict, actor=who, reason=reason)
    if json:
        print_json(made.as_dict())
        return
    _table([made.approval])
    one = made.approval
    by = one.withdrawn_by if one.state == "withdrawn" else one.checker
    note(
        f"proposal {number} is {one.state}"
        if made.changed
        else f"it was {one.state} by {by} before: nothing was changed"
    )


def history(
    pack: Annotated[
        str | None, typer.Argument(metavar="PACK", help="Only policies of this pack.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """Every policy ever proposed, oldest first: by whom, who decided on it, and whether it stands."""
    from limits.store import approvals
    from limits.terminal import note, print_json

    with common.database() as database, database.connect("auditor", "limits policy history") as conn:
        found = approvals.history(conn, pack)
    if json:
        print_json({"proposals": [one.as_dict() for one in found]})
    elif found:
        _table(found)
    else:
        what = f"policy of a pack {pack}" if pack else "policy"
        note(f"no {what} was proposed yet; propose one: limits policy propose FILE --reason '...'")


def _table(found: list[Approval]) -> None:
    from limits.terminal import table

    table(
        ("id", "pack", "effective on", "sha256", "role", *COLUMNS),
        [
            (
                str(one.approval_id),
                one.pack,
                one.effective_on.isoformat(),
                one.policy_hash.hex()[:SHORT],
                one.role,
                *standing(one),
            )
            for one in found
        ],
        numbers=("id",),
    )
