"""What a function does when Lambda starts it from a snapshot: its connections have died."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

Register: TypeAlias = Callable[[Callable[[], object]], object]


def after_restore(action: Callable[[], object], register: Register | None = None) -> None:
    """Have an action done after each restore; without a register, by Lambda if this runs there."""
    if register := register or _lambda_register():
        register(action)


def _lambda_register() -> Register | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html"""
    try:
        runtime: Any = import_module("snapshot_restore_py")
    except ModuleNotFoundError:
        return None
    register: Register = runtime.register_after_restore
    return register
