"""Cloud Storage by Google's own client: what holds on the service, and what holds because objects are files here."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

if TYPE_CHECKING:
    from tests.contract.conftest import Emulator


@pytest.fixture(scope="module")
def client(emulator: "Emulator") -> Iterator[storage.Client]:
    """Cloud Storage's client."""
    with emulator.storage() as opened:
        yield opened


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    """A bucket of the test's own."""
    return client.create_bucket(f"contract-{uuid4().hex[:8]}", location="europe-west4")


@pytest.fixture
def files(emulator: "Emulator", bucket: storage.Bucket) -> Path:
    """The folder that is the bucket."""
    return emulator.state / "gcs" / str(bucket.name)


class TestBuckets:
    """Buckets."""

    def test_a_bucket_is_what_it_was_made(self, client: storage.Client, bucket: storage.Bucket) -> None:
        """Its location and its project come back, it is listed, and it cannot be made again."""
        found = client.get_bucket(bucket.name)
        assert found.location == "EUROPE-WEST4"
        assert str(found.project_number).isdecimal()
        assert bucket.name in [each.name for each in client.list_buckets(prefix="contract-")]
        with pytest.raises(exceptions.Conflict, match=bucket.name):
            client.create_bucket(bucket.name)

    def test_a_missing_bucket_is_named(self, client: storage.Client) -> None:
        """Getting it, listing it and writing into it are all not found."""
        assert not client.bucket("no-such-bucket").exists()
        for call in (
            lambda: client.get_bucket("no-such-bucket"),
            lambda: list(client.list_blobs("no-such-bucket")),
            lambda: client.bucket("no-such-bucket").blob("x").upload_from_string("x"),
            lambda: client.bucket("no-such-bucket").blob("x").download_as_bytes(),
        ):
            with pytest.raises(exceptions.NotFound, match="no-such-bucket"):
                call()

    def test_labels_are_merged(self, client: storage.Client, bucket: storage.Bucket) -> None:
        """A patch adds and removes labels and counts as a change of metadata."""
        bucket.labels = {"a": "1", "b": "2"}
        bucket.patch()
        bucket.labels = {"b": "3"}
        bucket.patch()
        found = client.get_bucket(bucket.name)
        assert found.labels == {"b": "3"}
        assert found.metageneration == 3

    def test_a_bucket_with_objects_is_not_deleted(self, client: storage.Client, bucket: storage.Bucket) -> None:
        """It is once it is empty, folders or not."""
        blob = bucket.blob("folder/object")
        blob.upload_from_string("x")
        with pytest.raises(exceptions.Conflict, match="not empty"):
            bucket.delete()
        blob.delete()
        bucket.delete()
        assert client.lookup_bucket(bucket.name) is None

    def test_a_policy_is_kept(self, bucket: storage.Bucket) -> None:
        """Bindings that are set come back, and every permission is granted."""
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@example.com"}})
        bucket.set_iam_policy(policy)
        assert bucket.get_iam_policy().bindings == [
            {"role": "roles/storage.objectViewer", "members": {"user:a@example.com"}}
        ]
        assert bucket.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]

    def test_a_name_that_is_none_is_refused(self, client: storage.Client) -> None:
        """Upper case, and a way out of the folder."""
        for name in ("Upper", "..", "a"):
            with pytest.raises((exceptions.BadRequest, ValueError)):
                client.create_bucket(name)

    def test_what_is_not_implemented_is_refused(self, client: storage.Client) -> None:
        """A field that would be ignored is an error, and so is a method."""
        bucket = client.bucket(f"contract-{uuid4().hex[:8]}")
        bucket.versioning_enabled = True
        with pytest.raises(exceptions.MethodNotImplemented, match="versioning"):
            client.create_bucket(bucket)
        with pytest.raises(exceptions.MethodNotImplemented, match="serviceAccount"):
            client.get_service_account_email()


class TestContent:
    """Content, in and out."""

    @pytest.mark.parametrize("size", [0, 1, 1 << 20, (9 << 20) + 7])
    def test_content_comes_back_as_it_was_sent(self, bucket: storage.Bucket, files: Path, size: int) -> None:
        """At once and in chunks, below and beyond the size at which the client switches to a resumable upload."""
        content = os.urandom(size)
        bucket.blob("at/once").upload_from_string(content)
        bucket.blob("in/chunks", chunk_size=1 << 20).upload_from_file(io.BytesIO(content), size=size)
        for name in ("at/once", "in/chunks"):
            assert bucket.blob(name).download_as_bytes() == content
            assert bucket.blob(name, chunk_size=1 << 20).download_as_bytes() == content
            assert (files / name).read_bytes() == content

    def test_a_stream_of_unknown_length_can_be_written(self, bucket: storage.Bucket) -> None:
        """A file object, as pandas and Beam open it; what is written before is read after."""
        with bucket.blob("stream").open("wb", chunk_size=256 << 10) as stream:
            for number in range(200_000):
                stream.write(b"%07d\n" % number)
        with bucket.blob("stream").open("rt") as stream:
            assert [int(line) for line in stream] == list(range(200_000))

    def test_an_empty_stream_can_be_written(self, bucket: storage.Bucket) -> None:
        """Nothing written is an object of no bytes."""
        with bucket.blob("stream").open("wb"):
            pass
        assert bucket.get_blob("stream").size == 0

    def test_a_file_goes_up_and_down(self, bucket: storage.Bucket, tmp_path: Path) -> None:
        """By file names, with the type guessed from the name."""
        (tmp_path / "page.html").write_text("<p>")
        bucket.blob("page.html").upload_from_filename(tmp_path / "page.html")
        bucket.blob("page.html").download_to_filename(tmp_path / "copy.html")
        assert (tmp_path / "copy.html").read_text() == "<p>"
        assert bucket.get_blob("page.html").content_type == "text/html"

    def test_a_range_is_part_of_the_content(self, bucket: storage.Bucket) -> None:
        """Both ends are included, and the end may lie beyond the content; a start beyond it is an error."""
        blob = bucket.blob("range")
        blob.upload_from_string("0123456789")
        assert blob.download_as_bytes(start=2, end=4) == b"234"
        assert blob.download_as_bytes(start=8, end=99) == b"89"
        assert blob.download_as_bytes(start=8) == b"89"
        assert blob.download_as_bytes(start=-3) == b"789"
        with pytest.raises(exceptions.RequestRangeNotSatisfiable):
            blob.download_as_bytes(start=10)

    def test_a_resource_says_what_the_object_is(self, bucket: storage.Bucket) -> None:
        """Size, the well-known checksums of the digits 1 to 9, type, times, and the user's metadata."""
        blob = bucket.blob("nine")
        blob.metadata = {"run": "7"}
        blob.cache_control = "no-store"
        blob.upload_from_string("123456789", content_type="text/csv")
        found = bucket.get_blob("nine")
        assert (found.size, found.content_type, found.metadata) == (9, "text/csv", {"run": "7"})
        assert found.md5_hash == "JfnnlDI7RTiF9RgfG2JNCw=="  # 25f9e794323b453885f5181f1b624d0b
        assert found.crc32c == "4waSgw=="  # e3069283
        assert found.cache_control == "no-store"
        assert found.generation == blob.generation
        assert found.metageneration == 1
        assert found.etag
        assert found.time_created <= found.updated

    def test_content_with_a_wrong_checksum_is_refused(self, bucket: storage.Bucket) -> None:
        """Nothing is written then."""
        blob = bucket.blob("wrong")
        blob.md5_hash = "JfnnlDI7RTiF9RgfG2JNCw=="
        with pytest.raises(exceptions.BadRequest, match="doesn't match"):
            blob.upload_from_string("other", checksum=None)
        assert not blob.exists()

    @pytest.mark.parametrize("name", ["a b", "ä/ö", "a%2Fb", "a+b?c#d&e=f", "a/copyTo/b/c/o/d", ".hidden", "[x]*"])
    def test_names_are_taken_literally(self, bucket: storage.Bucket, files: Path, name: str) -> None:
        """Spaces, percent signs, other alphabets, and names that look like a path of the API."""
        bucket.blob(name).upload_from_string("x")
        assert (files / name).read_text() == "x"
        assert [blob.name for blob in bucket.list_blobs()] == [name]
        assert bucket.get_blob(name).name == name
        bucket.blob(name).delete()
        assert list(bucket.list_blobs()) == []

    @pytest.mark.parametrize("name", ["../out", "a/../../out", "a//b", "/a", "a/", ".", "a/./b", "x" * 256])
    def test_names_that_no_file_can_have_are_refused(self, bucket: storage.Bucket, name: str) -> None:
        """Those that would be another file than they say, and those that lead out of the bucket."""
        with pytest.raises(exceptions.BadRequest, match="Invalid object name"):
            bucket.blob(name).upload_from_string("x")

    def test_an_object_cannot_have_the_name_of_a_folder(self, bucket: storage.Bucket) -> None:
        """`a` and `a/b` are two objects in Cloud Storage; here the second of them is refused, and says why."""
        bucket.blob("a/b").upload_from_string("x")
        with pytest.raises(exceptions.BadRequest, match="objects are files here"):
            bucket.blob("a").upload_from_string("x")
        with pytest.raises(exceptions.BadRequest, match="objects are files here"):
            bucket.blob("a/b/c").upload_from_string("x")
        bucket.blob("a/b").delete()
        bucket.blob("a").upload_from_string("now it can")


class TestPreconditions:
    """Generations, and requests that depend on them."""

    def test_an_object_is_made_only_once(self, bucket: storage.Bucket) -> None:
        """Generation 0 means: if there is none; at once and in chunks."""
        bucket.blob("once").upload_from_string("first", if_generation_match=0)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("once").upload_from_string("second", if_generation_match=0)
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("once", chunk_size=256 << 10).upload_from_file(io.BytesIO(b"x"), if_generation_match=0)
        assert bucket.blob("once").download_as_bytes() == b"first"

    def test_an_object_is_replaced_only_if_it_is_the_expected_one(self, bucket: storage.Bucket) -> None:
        """The generation moves with each write, however fast they come; deleting asks for it too."""
        blob = bucket.blob("object")
        blob.upload_from_string("first")
        first = blob.generation
        blob.upload_from_string("second", if_generation_match=first)
        assert blob.generation > first
        with pytest.raises(exceptions.PreconditionFailed):
            blob.upload_from_string("third", if_generation_match=first)
        with pytest.raises(exceptions.PreconditionFailed):
            blob.delete(if_generation_match=first)
        blob.delete(if_generation_match=blob.generation)

    def test_reading_can_ask_for_a_generation(self, bucket: storage.Bucket) -> None:
        """One that was replaced is gone."""
        blob = bucket.blob("object")
        blob.upload_from_string("first")
        first = blob.generation
        blob.upload_from_string("second")
        assert bucket.blob("object", generation=blob.generation).download_as_bytes() == b"second"
        with pytest.raises(exceptions.NotFound):
            bucket.blob("object", generation=first).download_as_bytes()
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("object").download_as_bytes(if_generation_match=first)

    def test_metadata_is_patched_only_if_it_is_the_expected_one(self, bucket: storage.Bucket) -> None:
        """A patch counts the metageneration up, and leaves the content and its generation alone."""
        blob = bucket.blob("object")
        blob.metadata = {"keep": "1", "drop": "2"}
        blob.upload_from_string("x", content_type="text/plain")
        generation = blob.generation
        blob.metadata = {"keep": "1", "drop": None, "add": "3"}
        blob.content_type = "text/csv"
        blob.patch(if_metageneration_match=1)
        found = bucket.get_blob("object")
        assert (found.metadata, found.content_type) == ({"keep": "1", "add": "3"}, "text/csv")
        assert (found.generation, found.metageneration) == (generation, 2)
        with pytest.raises(exceptions.PreconditionFailed):
            blob.patch(if_metageneration_match=1)


class TestListing:
    """Listings."""

    @pytest.fixture
    def tree(self, bucket: storage.Bucket) -> storage.Bucket:
        """A bucket with five objects."""
        for name in ("a/1.csv", "a/2.txt", "a/b/3.csv", "c.csv", "d/4.csv"):
            bucket.blob(name).upload_from_string(name)
        return bucket

    def test_objects_come_in_the_order_of_their_names(self, tree: storage.Bucket) -> None:
        """All of them, or those with a prefix, which need not be a folder."""
        assert names(tree.list_blobs()) == ["a/1.csv", "a/2.txt", "a/b/3.csv", "c.csv", "d/4.csv"]
        assert names(tree.list_blobs(prefix="a/")) == ["a/1.csv", "a/2.txt", "a/b/3.csv"]
        assert names(tree.list_blobs(prefix="a/b")) == ["a/b/3.csv"]
        assert names(tree.list_blobs(prefix="nothing")) == []

    def test_a_delimiter_rolls_folders_up(self, tree: storage.Bucket) -> None:
        """Names beyond the next slash become one prefix."""
        listed = tree.list_blobs(delimiter="/")
        assert names(listed) == ["c.csv"]
        assert listed.prefixes == {"a/", "d/"}
        inside = tree.list_blobs(prefix="a/", delimiter="/")
        assert names(inside) == ["a/1.csv", "a/2.txt"]
        assert inside.prefixes == {"a/b/"}

    def test_pages_add_up_to_the_whole(self, tree: storage.Bucket) -> None:
        """With and without a delimiter, no name comes twice and none is left out."""
        assert [names(page) for page in tree.list_blobs(page_size=2).pages] == [
            ["a/1.csv", "a/2.txt"],
            ["a/b/3.csv", "c.csv"],
            ["d/4.csv"],
        ]
        listed = tree.list_blobs(page_size=1, delimiter="/")
        assert names(listed) == ["c.csv"]
        assert listed.prefixes == {"a/", "d/"}
        assert names(tree.list_blobs(max_results=3)) == ["a/1.csv", "a/2.txt", "a/b/3.csv"]

    def test_offsets_and_patterns_choose(self, tree: storage.Bucket) -> None:
        """From the first name on, before the last, and by a pattern."""
        assert names(tree.list_blobs(start_offset="a/2", end_offset="d/")) == ["a/2.txt", "a/b/3.csv", "c.csv"]
        assert names(tree.list_blobs(match_glob="a/*.csv")) == ["a/1.csv"]
        assert names(tree.list_blobs(match_glob="**.csv")) == ["a/1.csv", "a/b/3.csv", "c.csv", "d/4.csv"]
        assert names(tree.list_blobs(match_glob="{a,d}/?.{csv,txt}")) == ["a/1.csv", "a/2.txt", "d/4.csv"]

    def test_versions_are_refused(self, tree: storage.Bucket) -> None:
        """There is one of each object, so a listing of all would be a lie."""
        with pytest.raises(exceptions.MethodNotImplemented, match="versions"):
            list(tree.list_blobs(versions=True))


class TestCopies:
    """Objects made of objects."""

    def test_a_copy_has_content_and_metadata(self, bucket: storage.Bucket, client: storage.Client) -> None:
        """Into another bucket, by copy, by rewrite and by rename."""
        other = client.create_bucket(f"{bucket.name}-2")
        blob = bucket.blob("a/source")
        blob.metadata = {"run": "7"}
        blob.upload_from_string("content", content_type="text/csv")
        bucket.copy_blob(blob, other, "copied")
        token, done, total = other.blob("rewritten").rewrite(blob)
        assert (token, done, total) == (None, 7, 7)
        bucket.rename_blob(blob, "a/renamed")
        for found in (other.get_blob("copied"), other.get_blob("rewritten"), bucket.get_blob("a/renamed")):
            assert found.download_as_bytes() == b"content"
            assert (found.content_type, found.metadata) == ("text/csv", {"run": "7"})
        assert bucket.get_blob("a/source") is None

    def test_sources_are_composed_in_order(self, bucket: storage.Bucket) -> None:
        """A composed object has no MD5, as on the service; a wrong generation of a source stops it."""
        parts = [bucket.blob(f"part-{number}") for number in range(3)]
        for number, part in enumerate(parts):
            part.upload_from_string(str(number) * 3)
        whole = bucket.blob("whole")
        whole.content_type = "text/plain"
        whole.compose(parts)
        assert whole.download_as_bytes() == b"000111222"
        found = bucket.get_blob("whole")
        assert (found.component_count, found.md5_hash, found.content_type) == (3, None, "text/plain")
        with pytest.raises(exceptions.PreconditionFailed):
            whole.compose(parts, if_source_generation_match=[parts[0].generation, 1, parts[2].generation])

    def test_a_missing_source_is_named(self, bucket: storage.Bucket) -> None:
        """And nothing is made."""
        with pytest.raises(exceptions.NotFound, match="absent"):
            bucket.copy_blob(bucket.blob("absent"), bucket, "copy")
        assert list(bucket.list_blobs()) == []


class TestFolder:
    """Objects that come and go as files."""

    def test_a_file_is_an_object(self, bucket: storage.Bucket, files: Path) -> None:
        """Written by another process, it is listed, read and copied like any other, beside those of the API."""
        bucket.blob("by/client.csv").upload_from_string("1")
        (files / "by/task.csv").write_text("123456789")
        (files / "deeper").mkdir()
        (files / "deeper/still.json").write_text("{}")
        assert names(bucket.list_blobs()) == ["by/client.csv", "by/task.csv", "deeper/still.json"]
        found = bucket.get_blob("by/task.csv")
        assert (found.size, found.content_type, found.crc32c) == (9, "text/csv", "4waSgw==")
        assert found.download_as_bytes() == b"123456789"
        bucket.copy_blob(found, bucket, "copy")
        assert (files / "copy").read_text() == "123456789"

    def test_a_file_that_changes_is_another_generation(self, bucket: storage.Bucket, files: Path) -> None:
        """Its checksums are those of the new content, and what was said of the old content is forgotten."""
        blob = bucket.blob("object")
        blob.metadata = {"run": "7"}
        blob.upload_from_string("old")
        (files / "object").write_text("123456789")
        found = bucket.get_blob("object")
        assert found.generation != blob.generation
        assert (found.crc32c, found.metadata) == ("4waSgw==", None)
        with pytest.raises(exceptions.PreconditionFailed):
            blob.upload_from_string("new", if_generation_match=blob.generation)

    def test_a_file_that_is_removed_is_no_object(self, bucket: storage.Bucket, files: Path) -> None:
        """Nothing remembers it."""
        bucket.blob("object").upload_from_string("x")
        (files / "object").unlink()
        assert not bucket.blob("object").exists()
        assert list(bucket.list_blobs()) == []
        bucket.blob("object").upload_from_string("again", if_generation_match=0)

    def test_a_folder_is_a_bucket(self, client: storage.Client, emulator: "Emulator") -> None:
        """One made by hand is a bucket of the emulator's project."""
        name = f"contract-{uuid4().hex[:8]}"
        (emulator.state / "gcs" / name).mkdir()
        assert name in [bucket.name for bucket in client.list_buckets()]
        assert client.get_bucket(name).location == "US-CENTRAL1"

    def test_a_symbolic_link_leads_nowhere(self, bucket: storage.Bucket, files: Path, tmp_path: Path) -> None:
        """It is no object, and no way out of the bucket."""
        (tmp_path / "secret").write_text("x")
        (files / "link").symlink_to(tmp_path / "secret")
        (files / "folder").symlink_to(tmp_path)
        assert list(bucket.list_blobs()) == []
        assert not bucket.blob("link").exists()
        with pytest.raises(exceptions.BadRequest, match="symbolic link"):
            bucket.blob("folder/written").upload_from_string("x")
        assert not (tmp_path / "written").exists()

    def test_nothing_half_written_is_seen(self, bucket: storage.Bucket, files: Path) -> None:
        """An upload that is under way is in no listing, and in no folder of the bucket."""
        writer = bucket.blob("object").open("wb", chunk_size=256 << 10)
        writer.write(os.urandom(600 << 10))
        assert list(bucket.list_blobs()) == []
        assert list(files.iterdir()) == []
        writer.close()
        assert bucket.get_blob("object").size == 600 << 10

    def test_an_upload_that_broke_off_can_be_resumed(self, emulator: "Emulator", bucket: storage.Bucket) -> None:
        """The service says how much it has; what is sent twice counts once."""
        content = os.urandom(600_000)
        place = f"{emulator.endpoints.storage}/upload/storage/v1/b/{bucket.name}/o"
        begun = requests.post(place, params={"uploadType": "resumable", "name": "object"}, timeout=5)
        session = begun.headers["Location"]
        first = {"Content-Range": f"bytes 0-{(256 << 10) - 1}/600000"}
        sent = requests.put(session, data=content[: 256 << 10], headers=first, timeout=5)
        assert sent.status_code == 308
        asked = requests.put(session, headers={"Content-Range": "bytes */600000"}, timeout=5)
        assert (asked.status_code, asked.headers["Range"]) == (308, f"bytes=0-{(256 << 10) - 1}")
        rest = {"Content-Range": "bytes 0-599999/600000"}
        for _ in range(2):
            # The second time stands for a client that did not get the answer.
            done = requests.put(session, data=content, headers=rest, timeout=5)
            assert (done.status_code, done.json()["size"]) == (200, "600000")
        assert bucket.blob("object").download_as_bytes() == content


def names(blobs: Iterator[storage.Blob]) -> list[str]:
    """The names of the objects in a listing."""
    return [str(blob.name) for blob in blobs]
