"""Claim: the S3 client in memory answers as moto does, through the adapters of the product."""

from datetime import UTC, datetime

import boto3
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.images import ImageRef, ObjectState
from tests.support.aws.memory_s3 import MemoryS3

BUCKET = "photos"
KEYS = ("a.png", "b/é.png", "b c")
DATA = (b"one", b"other", b"")
keys, data = st.sampled_from(KEYS), st.sampled_from(DATA)
metadata = st.sampled_from(({}, {"camera": "X100"}))
operations = st.one_of(
    st.tuples(st.just("put"), keys, data, metadata),
    st.tuples(st.just("copy"), keys, keys),
    st.tuples(st.just("renew"), keys, metadata),
    st.tuples(st.just("restore"), keys, st.integers(0, 2)),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("undelete"), keys),
)


class Client:
    """Applies operations to a client; remembers the ids of the versions, which differ."""

    def __init__(self, client):
        self.client = client
        self.ids = {key: [] for key in KEYS}
        client.create_bucket(Bucket=BUCKET)

    def apply(self, operation, key, *values):
        """The status of the error, None for success."""
        try:
            getattr(self, operation)(key, *values)
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return None

    def put(self, key, data, metadata):
        made = self.client.put_object(Bucket=BUCKET, Key=key, Body=data, Metadata=metadata)
        self.ids[key].append(made["VersionId"])

    def copy(self, key, source):
        if key != source:
            self._copy(key, {"Bucket": BUCKET, "Key": source})

    def renew(self, key, metadata):
        self._copy(
            key, {"Bucket": BUCKET, "Key": key}, Metadata=metadata, MetadataDirective="REPLACE"
        )

    def restore(self, key, number):
        if number < len(self.ids[key]):
            version = {"VersionId": self.ids[key][number]}
            self._copy(key, {"Bucket": BUCKET, "Key": key, **version})

    def delete(self, key):
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def undelete(self, key):
        """Delete the newest version or delete marker, as `ListObjectVersions` shows it."""
        if newest := self.newest(key):
            self.client.delete_object(Bucket=BUCKET, Key=key, VersionId=newest)
            self.ids[key] = [each for each in self.ids[key] if each != newest]

    def newest(self, key):
        if isinstance(self.client, MemoryS3):
            versions = self.client.versions[BUCKET].get(key)
            return versions[-1].id if versions else None
        listed = self.client.list_object_versions(Bucket=BUCKET, Prefix=key)
        found = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
        return next((each["VersionId"] for each in found if each["IsLatest"]), None)

    def _copy(self, key, source, **more):
        self.client.copy_object(Bucket=BUCKET, Key=key, CopySource=source, **more)


def observed(client):
    """All that the adapters read, without times."""
    store, derived = S3Store(BUCKET, client), S3Derived(f"s3://{BUCKET}", client)
    old = ObjectState("0" * 32, datetime(2026, 1, 1, tzinfo=UTC), 1)
    found = []
    for ref in (ImageRef(BUCKET, key) for key in KEYS):
        state = store.head(ref)
        found.append(state and (state.etag, state.size, dict(state.metadata)))
        for expected, first in ((state or old, None), (state or old, 2), (old, None)):
            found.append(_outcome(lambda r=ref, e=expected, f=first: store.read(r, e, f)))
        found.append(derived.get(ref.key))
    listed = [(ref.key, state.etag, state.size) for ref, state in store.list_images()]
    after = [ref.key for ref, _ in store.list_images("a.png")]
    return found, listed, after, [key for key, _ in derived.list_keys("b")]


def _outcome(read):
    try:
        return read()
    except ImageSearchError as error:
        return type(error)


@settings(max_examples=15)
@given(st.lists(operations, min_size=3, max_size=10))
def test_memory_and_moto_have_the_same_state_after_any_changes(changes):
    with mock_aws():
        session = boto3.Session("none", "none", region_name="us-east-1")
        moto = Client(session.client("s3"))
        versions = {"Status": "Enabled"}
        moto.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versions)
        memory = Client(MemoryS3(lambda: datetime.now(UTC)))
        for change in changes:
            assert memory.apply(*change) == moto.apply(*change), change
        assert observed(memory.client) == observed(moto.client)
