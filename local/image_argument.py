"""The argument IMAGE of `show` and `similar`, which may be an image id."""

from __future__ import annotations

import re
from typing import Any

import typer.core

DASHED_ID = re.compile(r"-[A-Za-z0-9_-]{23}")


class ImageCommand(typer.core.TyperCommand):
    """A command whose IMAGE may begin with `-`, as the ids of one image in 64 do.

    Such an id is moved behind `--`, unless it is the value of an option.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options = [each for each in self.params if isinstance(each, typer.core.TyperOption)]
        names = {name for each in options for name in each.opts}
        with_value = {name for each in options if not each.is_flag for name in each.opts}
        ids = [
            number
            for number, (before, arg) in enumerate(zip(["", *args], args, strict=False))
            if DASHED_ID.fullmatch(arg) and arg not in names and before not in with_value
        ]
        if ids and "--" not in args:
            others = [arg for number, arg in enumerate(args) if number not in ids]
            args = [*others, "--", *(args[number] for number in ids)]
        return super().parse_args(ctx, args)
