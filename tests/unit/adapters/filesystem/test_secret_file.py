"""Claims: a secret is created once, complete, and readable by its owner only."""

from concurrent.futures import ThreadPoolExecutor

from imagesearch.adapters.filesystem.secret_file import secret_of


def test_all_processes_have_one_secret(tmp_path):
    path = tmp_path / "data" / "secret"
    with ThreadPoolExecutor(8) as threads:
        [secret] = set(threads.map(secret_of, [path] * 32))
    assert len(secret) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_an_incomplete_secret_is_replaced(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"")
    assert len(secret_of(path)) == 32
    assert secret_of(path) == secret_of(path)
