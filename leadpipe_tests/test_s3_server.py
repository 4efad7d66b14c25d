"""The S3 server of the tests."""

import secrets

from leadpipe_tests.s3_server import S3Bucket


def test_there_is_room_for_the_buckets_of_a_whole_suite(s3_server):
    """Twenty buckets can be written to: a server without free volumes answers with 500."""
    for _ in range(20):
        bucket = S3Bucket(f"exports-{secrets.token_hex(6)}", s3_server)
        bucket.put("object", b"there")
        assert bucket.get("object") == b"there"
