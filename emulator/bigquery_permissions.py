"""Which permissions a request to BigQuery needs, as far as a request says it.

Source: BigQuery, "IAM roles and permissions" (permissions by API method), the DDL reference, and of BigQuery ML "The
CREATE MODEL statement". SQL is searched for the
names of tables, not parsed: what comes after FROM and JOIN is read, what a statement names is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
_ROOT = r"^/(?:upload/)?bigquery/v2/projects/(?P<project>[^/]+)"
_DATASET = rf"{_ROOT}/datasets/(?P<dataset>[^/]+)"
_TABLE = rf"{_DATASET}/tables/(?P<table>[^/:]+)"
_BY_PATH: Sequence[tuple[str, str, str]] = (
    ("POST", rf"{_ROOT}/datasets$", "datasets.create"),
    ("GET", rf"{_DATASET}$", "datasets.get"),
    ("PATCH", rf"{_DATASET}$", "datasets.update"),
    ("PUT", rf"{_DATASET}$", "datasets.update"),
    ("DELETE", rf"{_DATASET}$", "datasets.delete"),
    ("GET", rf"{_DATASET}/tables$", "tables.list"),
    ("POST", rf"{_DATASET}/tables$", "tables.create"),
    ("GET", rf"{_TABLE}$", "tables.get"),
    ("PATCH", rf"{_TABLE}$", "tables.update"),
    ("PUT", rf"{_TABLE}$", "tables.update"),
    ("DELETE", rf"{_TABLE}$", "tables.delete"),
    ("GET", rf"{_TABLE}/data$", "tables.getData"),
    ("POST", rf"{_TABLE}/insertAll$", "tables.updateData"),
    ("POST", rf"{_ROOT}/(?:jobs|queries)$", "jobs.create"),
    ("PUT", rf"{_ROOT}/jobs$", "jobs.create"),
)
_NOT_CODE = re.compile(r"--[^\n]*|#[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_NAME = r"(?P<name>`[^`]+`(?:\.`[^`]+`)*|[\w-]+(?:\.[\w-]+)+)"
_READ = re.compile(rf"\b(?:FROM|JOIN)\s+{_NAME}", re.IGNORECASE)
_WRITTEN: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = tuple(
    (re.compile(rf"\b{words}\s+{_NAME}", re.IGNORECASE), permissions)
    for words, permissions in (
        (r"CREATE\s+(?:(?:SNAPSHOT|EXTERNAL)\s+)?TABLE(?:\s+IF\s+NOT\s+EXISTS)?", ("tables.create",)),
        (r"CREATE\s+(?:MATERIALIZED\s+)?VIEW(?:\s+IF\s+NOT\s+EXISTS)?", ("tables.create",)),
        (
            r"CREATE\s+OR\s+REPLACE\s+(?:TABLE|(?:MATERIALIZED\s+)?VIEW)",
            ("tables.create", "tables.update", "tables.updateData"),
        ),
        (
            r"CREATE\s+(?:OR\s+REPLACE\s+)?MODEL(?:\s+IF\s+NOT\s+EXISTS)?",
            ("models.create", "models.getData", "models.updateData", "models.updateMetadata"),
        ),
        (r"(?:INSERT(?:\s+INTO)?|MERGE(?:\s+INTO)?|UPDATE|DELETE\s+FROM|TRUNCATE\s+TABLE)", ("tables.updateData",)),
        (r"ALTER\s+TABLE(?:\s+IF\s+EXISTS)?", ("tables.update",)),
        (r"DROP\s+(?:TABLE|VIEW)(?:\s+IF\s+EXISTS)?", ("tables.delete",)),
    )
)


@dataclass(frozen=True, slots=True)
class Need:
    """A permission, and the resource on which it is needed, as BigQuery's messages name it."""

    permission: str
    kind: str
    name: str

    @property
    def denial(self) -> str:
        """What BigQuery says to whoever does not have it."""
        on = f"{self.kind.lower()} {self.name}"
        return f"Access Denied: {self.kind} {self.name}: Permission {self.permission} denied on {on}"


def needs(verb: str, path: str, body: Json) -> Sequence[Need]:
    """What a request needs: for its method, and for the job that its body asks for.

    Args:
        verb: GET, POST ...
        path: Of the URL, without a query.
        body: The JSON object that it holds, empty where it holds none.
    """
    for method, pattern, permission in _BY_PATH:
        if method == verb and (match := re.match(pattern, path)):
            found = match.groupdict()
            need = _need(permission, found["project"], found.get("dataset"), found.get("table"))
            return [need, *dict.fromkeys(_of_job(body, found["project"]))]
    return []


def _of_job(body: Json, project: str) -> Iterator[Need]:
    """What a job needs on tables. A body of jobs.query is a query's configuration itself."""
    configuration = body.get("configuration", {"query": body} if isinstance(body.get("query"), str) else {})
    query = configuration.get("query", {})
    yield from _of_sql(query.get("query", ""), project, query.get("defaultDataset", {}).get("datasetId"))
    for kind in ("query", "load", "copy"):
        if target := configuration.get(kind, {}).get("destinationTable"):
            yield _need("tables.create", target.get("projectId", project), target["datasetId"])
            yield _of_reference("tables.updateData", target, project)
    for kind, permission in (("copy", "tables.getData"), ("extract", "tables.export")):
        part = configuration.get(kind, {})
        for source in part.get("sourceTables", [part["sourceTable"]] if "sourceTable" in part else []):
            yield _of_reference(permission, source, project)


def _of_sql(sql: str, project: str, default_dataset: str | None) -> Iterator[Need]:
    code = _NOT_CODE.sub(" ", sql)
    for pattern, permissions in (*_WRITTEN, (_READ, ("tables.getData",))):
        for match in pattern.finditer(code):
            parts = match["name"].replace("`", "").split(".")
            missing = (project, default_dataset)[: max(0, 3 - len(parts))]
            owner, dataset, table = (*missing, *parts)[:3]
            # Without a data set it is a name that the query itself has made.
            for permission in permissions if dataset else ():
                # A table that is not there yet is made in its dataset, as a model is.
                in_dataset = permission == "tables.create" or permission.startswith("models.")
                yield _need(permission, owner, dataset, None if in_dataset else table)


def _of_reference(permission: str, table: Json, project: str) -> Need:
    return _need(permission, table.get("projectId", project), table["datasetId"], table["tableId"])


def _need(permission: str, project: str, dataset: str | None = None, table: str | None = None) -> Need:
    if dataset is None:
        return Need(f"bigquery.{permission}", "Project", project)
    if table is None:
        return Need(f"bigquery.{permission}", "Dataset", f"{project}:{dataset}")
    return Need(f"bigquery.{permission}", "Table", f"{project}:{dataset}.{table}")
