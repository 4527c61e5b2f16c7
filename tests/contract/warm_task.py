"""A task that uses every client there is, and says what each answers; `test_warm` runs it in forked processes.

Arguments: project, location, dataset, bucket and the object to write. It prints whether Google's clients were there
before its first line, the rows that the Storage Read API gives, the sum that BigQuery makes of them, what Cloud Storage
gives back, and whether Vertex AI knows of a job.
"""

import sys

_WAS_WARM = "google.cloud.aiplatform_v1" in sys.modules


def main() -> None:
    """Asks them all."""
    import os  # noqa: PLC0415 - what a process has before its first line is what is asked

    from plumbline.adapters.bigquery import read_table  # noqa: PLC0415 - as above
    from plumbline.adapters.clients import Clients  # noqa: PLC0415 - as above
    from plumbline.environment import Place  # noqa: PLC0415 - as above

    project, location, dataset, bucket, name = sys.argv[1:]
    place = Place(project=project, location=location, bucket=bucket, dataset=dataset, bigquery_location=location)
    clients = Clients(place, os.environ)
    table = f"{project}.{dataset}.t"
    rows = sum(batch.num_rows for batch in read_table(clients.bigquery_read(), table, columns=["x"]))
    (counted,) = clients.bigquery().query(f"SELECT SUM(x) AS x FROM `{table}`").result()  # noqa: S608 - our own
    blob = clients.storage().bucket(bucket).blob(name)
    blob.upload_from_string(name)
    jobs = clients.jobs().list_custom_jobs(parent=f"projects/{project}/locations/{location}")
    print(_WAS_WARM, rows, counted["x"], blob.download_as_text(), any(True for _ in jobs))  # noqa: T201 - its log is read


if __name__ == "__main__":
    main()
