"""Claims: the newest complete report of S3 Inventory is read; one that cannot be used says why."""

import io
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from imagesearch.adapters.s3.inventory import S3InventoryReport
from imagesearch.domain.errors import Unavailable, UnusableReport
from tests.support.aws.inventory import CREATED, FOLDER, TIME, damaged, report, row

OLDER, NEWER = (f"{FOLDER}/2026-01-0{day}T01-00Z" for day in (4, 5))


def s3(objects: dict[str, bytes], missing: int = 403):
    """A client; its role may not list the bucket without a prefix: a missing object is a 403."""

    def get_object(Bucket, Key):  # noqa: N803
        if Key not in objects:
            status = {"ResponseMetadata": {"HTTPStatusCode": missing}}
            raise ClientError({"Error": {"Code": str(missing)}, **status}, "GetObject")
        return {"Body": io.BytesIO(objects[Key])}

    below = {key.removeprefix(f"{FOLDER}/").split("/")[0] for key in objects}
    # The folder of the report that is being written has a checksum only.
    folders = sorted(f"{FOLDER}/{each}/" for each in {*below, "hive", "2026-01-06T01-00Z"})
    pages = [{"CommonPrefixes": [{"Prefix": each} for each in folders]}]
    return SimpleNamespace(
        get_object=get_object, get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: pages)
    )


def opened(objects, uri=f"s3://inventory/{FOLDER}", **more):
    return S3InventoryReport(uri, "photos", s3(objects, **more))


def without(field):
    objects = report()
    manifest = json.loads(objects[f"{NEWER}/manifest.json"])
    del manifest[field]
    return {f"{NEWER}/manifest.json": json.dumps(manifest).encode()}


@pytest.mark.parametrize("missing", [403, 404])
def test_the_newest_report_with_a_manifest_is_opened(missing):
    found = opened(report([row("a.jpg")], []), missing=missing)
    assert found.uri == f"s3://inventory/{NEWER}/manifest.json"
    assert (found.created, found.files) == (CREATED, 2)
    assert opened(report([]), uri=found.uri).files == 1


def test_deleted_objects_and_old_versions_are_left_out():
    rows = [row("a b+c%41é.jpg"), row("old.jpg", latest="false"), row("gone.jpg", deleted="true")]
    [found] = opened(report(rows)).objects(0)
    assert found == ("a b+c%41é.jpg", "etag of a b+c%41é.jpg", TIME, 13)


def test_a_report_without_versions_has_all_objects():
    objects = report([["photos", "a.jpg", "7", TIME, "e"]])
    schema = "Bucket, Key, Size, LastModifiedDate, ETag"
    other = report(fileSchema=schema) | {key: objects[key] for key in objects if "/data/" in key}
    manifest = other[f"{NEWER}/manifest.json"].replace(
        b'"files": []', b'"files": [{"key": "%s/data/0.csv.gz"}]' % FOLDER.encode()
    )
    found = opened(other | {f"{NEWER}/manifest.json": manifest})
    assert list(found.objects(0)) == [("a.jpg", "e", TIME, 7)]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (report(sourceBucket="others"), "is an inventory of s3://others"),
        (report(fileFormat="Parquet"), "has the format Parquet: configure CSV"),
        (report(fileSchema="Bucket, Key, Size, LastModifiedDate"), "lacks ETag"),
        (report(creationTimestamp="today"), "is not a manifest"),
        (report(creationTimestamp="9" * 400), "is not a manifest"),
        (report(fileSchema=None), "is not a manifest"),
        (report(fileFormat=None), "has the format None"),
        (without("fileFormat"), "is not a manifest"),
        ({f"{NEWER}/manifest.json": b"{}"}, "is not a manifest"),
        ({f"{NEWER}/manifest.json": b"<html>"}, "is not JSON"),
        ({}, "cannot read s3://inventory"),
    ],
)
def test_other_reports_are_refused(objects, message):
    with pytest.raises(UnusableReport, match=message):
        opened(objects)


def test_a_prefix_without_reports_is_refused():
    client = s3({})
    client.get_paginator = lambda _: SimpleNamespace(paginate=lambda **_: [{}])
    with pytest.raises(UnusableReport, match="has no report of S3 Inventory"):
        S3InventoryReport("s3://inventory/daily", "photos", client)


def test_a_damaged_or_deleted_file_is_unusable():
    rows = [[row("a.jpg"), row("b.jpg")]]
    without_size = report([["photos", "a.jpg", "v1", "true", "false", "", TIME, "e"]])
    for objects in (damaged(report(*rows)), without_size):
        with pytest.raises(UnusableReport, match="is damaged"):
            list(opened(objects).objects(0))
    objects = report(*rows)
    found = opened(objects)
    del objects[f"{FOLDER}/data/0.csv.gz"]
    with pytest.raises(UnusableReport, match="cannot read"):
        list(found.objects(0))


def test_an_error_of_the_service_may_pass():
    with pytest.raises(Unavailable):
        opened({}, missing=503)
