"""Objects are created once for the same arguments, until their entry is removed."""

import threading

from imagesearch.object_cache import Cached


def test_an_object_is_created_once_for_the_same_arguments() -> None:
    made: list[str] = []

    @Cached
    def make(name: str, size: int = 1) -> list[str]:
        """Made."""
        made.append(name)
        return [name]

    assert make("a") is make("a")
    assert make("a", size=2) is not make("a")
    assert made == ["a", "a"]
    assert make.__doc__ == "Made."


def test_a_removed_object_is_returned_and_created_again() -> None:
    make = Cached(lambda name: [name])
    first = make("a")
    other = make("b")
    assert make.remove("a") is first
    assert make.remove("a") is None
    assert make("a") is not first
    assert make("b") is other


def test_an_error_is_not_cached() -> None:
    results = iter((ValueError(), "made"))

    @Cached
    def make() -> str:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    for expected in ("failed", "made"):
        try:
            assert make() == expected
        except ValueError:
            assert expected == "failed"


def test_threads_create_one_object() -> None:
    started = threading.Barrier(4)
    made: list[int] = []

    @Cached
    def make() -> list[int]:
        made.append(1)
        return []

    found: list[list[int]] = []

    def run() -> None:
        started.wait()
        found.append(make())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert all(each is found[0] for each in found)
