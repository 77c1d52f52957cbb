"""limits policy: check a policy before anything reads it; the group that the other commands about policies join."""

from __future__ import annotations

from typing import Annotated

import typer

from limits.cli import common, policy_approval, policy_compare, policy_test, policy_trial

policy = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check a policy, test it; propose and approve it."
)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    policy_test.register(policy)
    policy_trial.register(policy)
    app.add_typer(policy, name="policy")
    policy_approval.register(policy)
    policy_compare.register(policy)


@policy.command("check")
def check(
    name: Annotated[
        str,
        typer.Argument(metavar="POLICY", help="A TOML file, a folder of them or a pack by name.", show_default=False),
    ],
    json: common.Json = False,
) -> None:
    """Read a policy as a review would, and say what is wrong with it: file, line, mend."""
    from limits.store.policies import read_pack
    from limits.terminal import print_json, table

    history = read_pack(name)
    if json:
        rows = [
            {"pack": p.pack, "effective_on": p.effective_on.isoformat(), "policy_hash": p.policy_hash.hex()}
            for p in history
        ]
        print_json({"policies": rows})
        return
    rows_ = [(p.pack, p.effective_on.isoformat(), p.currency, p.policy_hash.hex()) for p in history]
    table(("pack", "effective on", "currency", "sha256"), rows_)
