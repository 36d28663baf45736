"""Claims: thumbnails equal the index after the histories that a random one rarely meets."""

import pytest

from tests.integration.truth.steps import Worker
from tests.integration.truth.world import World
from tests.support.fake_index import FakeIndex
from tests.support.fakes import BUCKET, picture

KEY = "a.png"


@pytest.fixture
def world() -> World:
    return World(lambda model, clock: FakeIndex(8))


def put(world, words):
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=picture(words))
    world.notify(KEY)
    world.tick()


def worker(world, system):
    ids = system.queue.waiting()
    handler = world.handler(system)
    return Worker(lambda: world.index_messages(system, ids, handler))


@pytest.mark.parametrize("gone", [False, True])
def test_a_content_that_returns_after_a_kill_at_any_step_has_its_thumbnail(world, gone):
    """The older content is restored before the message of the newer one is received again."""
    steps, ended = 0, False
    while not ended:
        put(world, "cat")
        world.drain()
        if gone:
            world.s3.delete_object(Bucket=BUCKET, Key=KEY)
            world.notify(KEY)
        else:
            put(world, "dog")
        killed = worker(world, world.current)
        for _ in range(steps):
            if not killed.ended:
                killed.step()
        if not (ended := killed.ended):
            killed.kill()
        put(world, "cat")
        world.settle()
        world.check()
        steps += 1
    assert steps > 3


def test_two_models_do_not_share_a_thumbnail(world):
    """One of them has not yet processed a content that is replaced and restored."""
    world.start_next_model()
    put(world, "cat")
    world.drain()
    put(world, "dog")
    worker(world, world.current).finish()
    put(world, "cat")
    world.settle()
    world.check()
