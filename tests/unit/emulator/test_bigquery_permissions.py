"""What requests to BigQuery need, one by one."""

import pytest

from emulator.bigquery_permissions import Need, needs

ROOT = "/bigquery/v2/projects/p"
JOBS = ("bigquery.jobs.create", "Project", "p")


def told(verb: str, path: str, body: dict[str, object] | None = None) -> list[tuple[str, str, str]]:
    """Permission, kind and name of each need."""
    return [(need.permission, need.kind, need.name) for need in needs(verb, f"{ROOT}{path}", body or {})]


@pytest.mark.parametrize(
    ("verb", "path", "permission", "on"),
    [
        ("POST", "/datasets", "datasets.create", ("Project", "p")),
        ("GET", "/datasets/d", "datasets.get", ("Dataset", "p:d")),
        ("DELETE", "/datasets/d", "datasets.delete", ("Dataset", "p:d")),
        ("POST", "/datasets/d/tables", "tables.create", ("Dataset", "p:d")),
        ("GET", "/datasets/d/tables/t", "tables.get", ("Table", "p:d.t")),
        ("PATCH", "/datasets/d/tables/t", "tables.update", ("Table", "p:d.t")),
        ("DELETE", "/datasets/d/tables/t", "tables.delete", ("Table", "p:d.t")),
        ("GET", "/datasets/d/tables/t/data", "tables.getData", ("Table", "p:d.t")),
        ("POST", "/datasets/d/tables/t/insertAll", "tables.updateData", ("Table", "p:d.t")),
    ],
)
def test_a_method_needs_its_permission(verb: str, path: str, permission: str, on: tuple[str, str]) -> None:
    """On the resource that its path names."""
    assert told(verb, path) == [(f"bigquery.{permission}", *on)]


@pytest.mark.parametrize(("verb", "path"), [("GET", "/datasets"), ("GET", "/jobs/j"), ("GET", "/queries/j")])
def test_looking_after_a_job_needs_nothing(verb: str, path: str) -> None:
    """It is one's own; and who may list nothing sees nothing."""
    assert told(verb, path) == []


READ, WRITE = "bigquery.tables.getData", "bigquery.tables.updateData"
CREATE, UPDATE = "bigquery.tables.create", "bigquery.tables.update"


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM `q.d.t`", [(READ, "Table", "q:d.t")]),
        ("SELECT * FROM `q`.`d`.`t`", [(READ, "Table", "q:d.t")]),
        ("SELECT * FROM d.t JOIN d.u USING (x)", [(READ, "Table", "p:d.t"), (READ, "Table", "p:d.u")]),
        ("WITH a AS (SELECT 1) SELECT * FROM a", []),
        ("SELECT 'FROM d.t', \"JOIN d.t\" -- FROM d.t\n /* FROM d.t */", []),
        ("SELECT * FROM `q.d.INFORMATION_SCHEMA.COLUMNS`", [(READ, "Table", "q:d.INFORMATION_SCHEMA")]),
        ("create table if not exists `q.d.t` as select 1", [(CREATE, "Dataset", "q:d")]),
        (
            "CREATE OR REPLACE TABLE `d.t` AS SELECT * FROM d.u",
            [
                (CREATE, "Dataset", "p:d"),
                (UPDATE, "Table", "p:d.t"),
                (WRITE, "Table", "p:d.t"),
                (READ, "Table", "p:d.u"),
            ],
        ),
        ("INSERT INTO d.t VALUES (1)", [(WRITE, "Table", "p:d.t")]),
        ("DELETE FROM d.t WHERE TRUE", [(WRITE, "Table", "p:d.t"), (READ, "Table", "p:d.t")]),
        ("DROP TABLE IF EXISTS d.t", [("bigquery.tables.delete", "Table", "p:d.t")]),
        ("CREATE TEMP TABLE t AS SELECT 1", []),
    ],
)
def test_a_query_needs_what_its_statement_says(sql: str, wanted: list[tuple[str, str, str]]) -> None:
    """By jobs.insert and by jobs.query alike."""
    assert told("POST", "/jobs", {"configuration": {"query": {"query": sql}}}) == [JOBS, *wanted]
    assert told("POST", "/queries", {"query": sql}) == [JOBS, *wanted]


def test_a_default_dataset_completes_names() -> None:
    """Also one in backticks; without it such a name is one that the query has made."""
    query = {"query": "SELECT * FROM `t`", "defaultDataset": {"datasetId": "d"}}
    assert told("POST", "/jobs", {"configuration": {"query": query}}) == [JOBS, (READ, "Table", "p:d.t")]
    assert told("POST", "/queries", {"query": "SELECT * FROM `t`"}) == [JOBS]


@pytest.mark.parametrize(
    ("kind", "configuration", "wanted"),
    [
        (
            "query",
            {"query": "SELECT 1", "destinationTable": "d.t"},
            [(CREATE, "Dataset", "p:d"), (WRITE, "Table", "p:d.t")],
        ),
        ("load", {"destinationTable": "d.t"}, [(CREATE, "Dataset", "p:d"), (WRITE, "Table", "p:d.t")]),
        ("extract", {"sourceTable": "d.t"}, [("bigquery.tables.export", "Table", "p:d.t")]),
        (
            "copy",
            {"sourceTable": "d.s", "destinationTable": "d.t"},
            [(CREATE, "Dataset", "p:d"), (WRITE, "Table", "p:d.t"), (READ, "Table", "p:d.s")],
        ),
        ("copy", {"sourceTables": ["d.s"]}, [(READ, "Table", "p:d.s")]),
    ],
)
def test_a_job_needs_what_its_tables_say(
    kind: str, configuration: dict[str, object], wanted: list[tuple[str, str, str]]
) -> None:
    """Those it reads and those it makes."""

    def table(value: object) -> object:
        if isinstance(value, list):
            return [table(one) for one in value]
        dataset, _, name = str(value).partition(".")
        return {"datasetId": dataset, "tableId": name}

    body = {key: value if key == "query" else table(value) for key, value in configuration.items()}
    assert told("POST", "/jobs", {"configuration": {kind: body}}) == [JOBS, *wanted]


def test_a_denial_is_told_as_bigquery_tells_it() -> None:
    """With the resource and the permission."""
    assert Need("bigquery.tables.getData", "Table", "p:d.t").denial == (
        "Access Denied: Table p:d.t: Permission bigquery.tables.getData denied on table p:d.t"
    )
