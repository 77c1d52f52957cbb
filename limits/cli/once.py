"""Commands that refuse an option that is given twice, where the parser would take the last one without a word."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand


class OnceCommand(TyperCommand):
    """A command each of whose options can be named once; those that take several values are left alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command, once no option is there twice. BadParameter names the one that is."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for place, parameter in enumerate(order):
            if parameter in order[:place] and not _takes_several(parameter):
                name = max(parameter.opts, key=len)
                raise typer.BadParameter(f"{name} is named twice; name one", ctx=ctx)
        return super().parse_args(ctx, args)


def _takes_several(parameter: Any) -> bool:
    """Arguments, switches, which say the same twice, and options of several values."""
    return parameter.param_type_name != "option" or parameter.multiple or parameter.is_flag or parameter.count


def once_each(group: typer.Typer) -> None:
    """Every command of the group refuses options that are given twice."""
    for command in group.registered_commands:
        command.cls = OnceCommand
