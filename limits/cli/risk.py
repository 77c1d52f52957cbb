"""limits risk: scorecards, from training to approval. Each file of commands adds its own."""

from __future__ import annotations

import typer

from limits.cli import risk_governance, risk_simulate, risk_train

risk = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Scorecards: how likely a payment is missed, and which may score."
)
for module in (risk_governance, risk_simulate, risk_train):
    module.register(risk)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(risk, name="risk")
