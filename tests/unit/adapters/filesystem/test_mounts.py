"""A remounted filesystem is recognized, and distinguished from others."""

import os
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem import mounts
from imagesearch.adapters.filesystem.mounts import (
    MountPoint,
    has_lasting_inodes,
    mount_point_of,
    mounted_paths,
)

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 8:17 / /mnt/a\040stick rw - vfat /dev/sdb1 rw
31 27 0:50 / /mnt/share rw master:7 - nfs4 server:/photos rw
32 27 0:51 / /mnt/sshfs rw - fuse.sshfs me@host:/photos rw
33 27 0:52 / /mnt/drive rw - fuseblk /dev/sdc1 rw
this line is none
"""


@pytest.fixture
def _mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "mountinfo")
    has_lasting_inodes.cache_clear()
    yield
    has_lasting_inodes.cache_clear()


@pytest.mark.usefixtures("_mounted")
def test_mount_points_are_parsed_from_mountinfo() -> None:
    assert "/mnt/a stick" in mounted_paths()
    assert len(mounted_paths()) == 6


@pytest.mark.usefixtures("_mounted")
def test_filesystems_without_stable_inode_numbers_are_recognized() -> None:
    devices = {
        "ext4": (254, 0),
        "vfat": (8, 17),
        "nfs4": (0, 50),
        "sshfs": (0, 51),
        "ntfs": (0, 52),
    }
    lasting = {name: has_lasting_inodes(os.makedev(*each)) for name, each in devices.items()}
    assert lasting == {"ext4": True, "vfat": False, "nfs4": True, "sshfs": False, "ntfs": False}
    assert has_lasting_inodes(os.makedev(99, 99))


def test_there_are_no_mounts_without_mountinfo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "none")
    assert mounted_paths() == frozenset()


def test_an_unchanged_folder_is_recognized(tmp_path: Path) -> None:
    assert mount_point_of(str(tmp_path)).is_directory_of(mount_point_of(str(tmp_path)))
    (tmp_path / "sub").mkdir()
    sub = mount_point_of(str(tmp_path / "sub"))
    assert sub.has_filesystem_of(mount_point_of(str(tmp_path)))
    assert not sub.is_directory_of(mount_point_of(str(tmp_path)))


SAME = [
    (MountPoint(1, 5, 2), MountPoint(9, 5, 2)),
    (MountPoint(1, 0, 2), MountPoint(1, 0, 2)),
    (MountPoint(1, 0, 2, "server:/a"), MountPoint(9, 0, 2, "server:/a")),
]
OTHER = [
    (MountPoint(1, 5, 2), MountPoint(1, 6, 2)),
    (MountPoint(1, 0, 2), MountPoint(2, 0, 2)),
    (MountPoint(1, 0, 2, "server:/a"), MountPoint(1, 0, 2, "server:/b")),
    (MountPoint(1, 0, 2, "server:/a"), MountPoint(1, 0, 2)),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_filesystem_with_another_device_number_is_recognized(one, other) -> None:
    assert one.has_filesystem_of(other)
    assert other.has_filesystem_of(one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_filesystem_is_distinguished(one, other) -> None:
    assert not one.has_filesystem_of(other)
    assert not other.has_filesystem_of(one)
