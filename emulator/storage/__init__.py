"""The JSON API of Cloud Storage on a plain folder.

The folder is the truth: `gs://bucket/object` is the file `bucket/object`, whoever wrote it. There is no index; what a
file cannot hold (content type, labels, checksums already computed) lies beside the buckets and may be missing.
"""
