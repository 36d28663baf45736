"""Snapshots of Lambda (SnapStart): what is not valid in a restored function is renewed by hooks.

A snapshot contains memory and processes, such as loaded models and decoders, and is restored many
times, up to weeks later. Clocks need no hook: they are read where they are used. `secrets` and
`uuid` read the random numbers of the kernel, which the microVM reseeds.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import os
import random
import ssl
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

Register: TypeAlias = Callable[[Callable[[], object]], object]


class Closable(Protocol):
    """An adapter with connections; after `close`, it opens new ones."""

    def close(self) -> None: ...


Adapter = TypeVar("Adapter", bound=Closable)


def after_restore(action: Callable[[], object], register: Register | None = None) -> None:
    """Run an action each time Lambda restores the function from a snapshot.

    `register` is for tests; outside Lambda nothing happens.
    """
    if register := register or _lambda_register():
        register(action)


def reconnected(adapter: Adapter) -> Adapter:
    """The adapter, whose connections are closed after a restore: no connection survives one."""
    after_restore(adapter.close)
    return adapter


def renew_random_state() -> None:
    """Seed the generators in memory, which would return the same numbers in every restore."""
    random.seed()
    np.random.seed()
    ssl.RAND_add(os.urandom(32), 32)


def renew_credentials() -> None:
    """Fetch the role's credentials if those of the snapshot have expired.

    Otherwise, the first request would wait for them.
    """
    import boto3

    session = boto3.DEFAULT_SESSION
    credentials = session.get_credentials() if session else None
    if credentials:
        credentials.get_frozen_credentials()


def _lambda_register() -> Register | None:
    """See https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html."""
    try:
        runtime: Any = import_module("snapshot_restore_py")
    except ModuleNotFoundError:
        return None
    register: Register = runtime.register_after_restore
    return register
