"""YAML in, validated sections out: everything wrong is found at once, and each finding has its file and line."""

import ast
import difflib
import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from plumbline.cron import wrong_cron
from plumbline.deployment import capacity
from plumbline.environment import Environment
from plumbline.errors import ConfigError, Problem
from plumbline.load import shortage
from plumbline.problem import ProblemConfig
from plumbline.prototype import tried
from plumbline.query import absent
from plumbline.search_space import wrong

T = TypeVar("T")
Location = tuple[str | int, ...]
JsonSchema = Mapping[str, object]
_VARIABLES = {"project": "PROJECT", "location": "REGION"}
"""The Makefile's variables that stand in for two keys of an environment."""


_PROTOTYPES = frozenset(("logistic_regression", "boosted_trees", "automl"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A problem config together with the text of its queries."""

    config: ProblemConfig
    sql: str
    labels: str = ""
    """Text of the query of `observation`; empty where there is no such section."""


def load_problem(path: Path) -> Loaded:
    """The problem config of a file and its query, or a ConfigError that names everything wrong with it."""
    root = _compose(path)
    config = _validate(ProblemConfig, path, root)
    problems = [Problem(str(path), _line(root, where), message) for where, message in dangling(config)]
    queries = {"data": config.data.query} | ({"observation": config.observation.query} if config.observation else {})
    for where, query in queries.items():
        if not (path.parent / query).is_file():
            message = f"there is no SQL file {path.parent / query}"
            problems.append(Problem(str(path), _line(root, (where, "query")), message))
    if problems:
        raise ConfigError(problems)
    texts = {where: (path.parent / query).read_text(encoding="utf-8") for where, query in queries.items()}
    if unused := absent(texts.get("observation", "@start @end"), ("start", "end")):
        told = f"{queries['observation']} does not use @{unused[0]}: it would give rows of other windows"
        raise ConfigError([Problem(str(path), _line(root, ("observation", "query")), told)])
    return Loaded(config, texts["data"], texts.get("observation", ""))


def load_environment(path: Path, *, project: str = "", location: str = "") -> Environment:
    """The environment config of a file, or a ConfigError that names everything wrong with it.

    Args:
        path: The file. `${project}` and `${location}` in it stand for its own project and location.
        project: In place of the file's own, where it is not empty.
        location: Likewise.
    """
    root = _compose(path)
    given = {name: value for name, value in (("project", project), ("location", location)) if value}
    own = {key.value: value for key, value in root.value if isinstance(value, yaml.ScalarNode)}
    for name, variable in _VARIABLES.items():
        if name in own:
            own[name].value = given.get(name, own[name].value)
            if not own[name].value:
                advice = f"write it here, or give it: {variable}=... after the make command"
                raise ConfigError([Problem(str(path), own[name].start_mark.line + 1, f"{name} is empty: {advice}")])
            _replace(root, f"${{{name}}}", own[name].value)
    return _validate(Environment, path, root)


def _replace(node: yaml.Node, placeholder: str, value: str) -> None:
    """Puts a value in place of a placeholder, everywhere under a node."""
    if isinstance(node, yaml.ScalarNode):
        node.value = node.value.replace(placeholder, value)
    elif isinstance(node, yaml.MappingNode):
        for _, inner in node.value:
            _replace(inner, placeholder, value)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _replace(inner, placeholder, value)


def json_schema(kind: type[T]) -> JsonSchema:
    """The JSON Schema of a config file, for editors."""
    schema = TypeAdapter(kind).json_schema(schema_generator=_Described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


class _Described(GenerateJsonSchema):
    """What stands under a field in the source becomes its description.

    pydantic's `use_attribute_docstrings` would read the source of all sections whenever a step imports them.
    """

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """The schema of a section, with descriptions."""
        made = super().dataclass_schema(schema)
        for name, text in _docstrings(schema["cls"]):
            made["properties"][name]["description"] = text
        return made


def _docstrings(kind: type[object]) -> Iterator[tuple[str, str]]:
    """Fields of a class, and the texts under them."""
    (defined,) = ast.parse(inspect.getsource(kind)).body
    for field, text in itertools.pairwise(cast("ast.ClassDef", defined).body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(said))):
                yield name, inspect.cleandoc(said)


def dangling(config: ProblemConfig) -> Iterator[tuple[Location, str]]:
    """Where the config names a column that it does not declare, or a slice that is not made."""
    known = sorted({*config.data.features, *config.data.attributes})
    uses: list[tuple[Location, str]] = [(("baseline", "by", i), n) for i, n in enumerate(config.baseline.by)]
    uses += [(("evaluation", "slices", i), n) for i, names in enumerate(config.evaluation.slices) for n in names]
    uses += [(("evaluation", "measures", "weight"), n) for n in [config.evaluation.measures.weight] if n]
    uses += [(("validation", "shift_exempt", i), n) for i, n in enumerate(config.validation.shift_exempt)]
    uses += [(("monitoring", "skew", n), n) for n in config.monitoring.skew]
    uses += [(("monitoring", "drift", n), n) for n in config.monitoring.drift]
    yield from ((where, _unknown("column", name, known)) for where, name in uses if name not in known)
    for kind, columns in (("features", config.data.features), ("attributes", config.data.attributes)):
        for name, column in columns.items():
            if (column.column or name) in config.data.known_afterwards:
                told = "is known only afterwards (data.known_afterwards): no model can be given it"
                yield ("data", kind, name), f"{column.column or name} {told}"
    serving, load = config.serving, config.serving.load
    if load and load.replica_rate and (told := shortage(load, capacity(serving), load.replica_rate)):
        yield ("serving", "load"), told
    for name, problem in wrong(config.training):
        yield ("training", "tuning", "parameters", name), problem
    yield from _continuous(config)
    slices = {frozenset(names) for names in config.evaluation.slices}
    for i, gate in enumerate(config.evaluation.gates):
        if frozenset(gate.by) not in slices:
            wanted = f"the gate on {gate.metric} by {list(gate.by)} needs the same columns among evaluation.slices"
            yield ("evaluation", "gates", i), wanted
        if gate.against in _PROTOTYPES and gate.against not in tried(config.prototype):
            yield (
                ("evaluation", "gates", i, "against"),
                f"{gate.against} is not tried: add it to prototype, or take the gate away",
            )


def _continuous(config: ProblemConfig) -> Iterator[tuple[Location, str]]:
    """What is wrong with the sections of a model that serves."""
    if config.observation:
        # numpy and pyarrow take a third of a second, which few commands need.
        from plumbline.observation import check_problem  # noqa: PLC0415 - see above

        yield from check_problem(config.data, config.observation)
    crons = {"observation": config.observation, "retraining": config.retraining}
    for where, section in crons.items():
        if section and section.cron and (told := wrong_cron(section.cron)):
            yield (where, "cron"), f"cron {section.cron!r}: {told}"


def _compose(path: Path) -> yaml.Node:
    """The YAML tree of a file, with line numbers; a ConfigError where it is none."""
    if not path.is_file():
        raise ConfigError([Problem(str(path), 1, "there is no such config file")])
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.MarkedYAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError([Problem(str(path), mark.line + 1 if mark else 1, f"not YAML: {error}")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([Problem(str(path), 1, "wanted a mapping of sections")])
    if twice := list(_duplicates(root)):
        raise ConfigError([Problem(str(path), node.start_mark.line + 1, f"{node.value} twice") for node in twice])
    return root


def _validate(kind: type[T], path: Path, root: yaml.Node) -> T:
    try:
        return TypeAdapter(kind).validate_python(yaml.SafeLoader("").construct_document(root))
    except ValidationError as error:
        schema = json_schema(kind)
        problems = {_problem(path, root, schema, finding): None for finding in error.errors(include_url=False)}
        raise ConfigError(list(problems)) from error


def _problem(path: Path, root: yaml.Node, schema: JsonSchema, finding: Mapping[str, object]) -> Problem:
    where = _written(root, cast("Location", finding["loc"]))
    name = ".".join(map(str, where)) or "the file"
    if finding["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        message = _unknown("key", str(where[-1]), _keys(schema, where[:-1])) + f" (in {name})"
    elif finding["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        message = f"{name} is missing"
    else:
        wanted = str(finding["msg"]).removeprefix("Value error, ")
        given = finding["input"]
        message = f"{name}: {wanted}" + ("" if isinstance(given, dict) else f", got {given!r}")
    return Problem(str(path), _line(root, where), message)


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"unknown {what} {name}" + (f": did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")


def _written(root: yaml.Node, where: Location) -> Location:
    """The location without the parts that pydantic adds for union members and mapping keys."""
    node: yaml.Node | None = root
    kept: list[str | int] = []
    for position, part in enumerate(where):
        child = _child(node, part)
        if child is None and position < len(where) - 1:
            continue
        if child is None and isinstance(part, str) and not part.isidentifier():
            continue
        kept.append(part)
        node = child
    return tuple(kept)


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return cast("yaml.Node", node.value[part])
    return None


def _line(root: yaml.Node, where: Location) -> int:
    """The line of the deepest part of a location that the file has; keys count as where they stand."""
    node, line = root, root.start_mark.line
    for part in where:
        if isinstance(node, yaml.MappingNode):
            line = next((key.start_mark.line for key, _ in node.value if key.value == str(part)), line)
        child = _child(node, part)
        if child is None:
            break
        node = child
        line = line if isinstance(part, str) else node.start_mark.line
    return line + 1


def _duplicates(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Keys that stand twice in one mapping: YAML would keep the last and say nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _duplicates(value)


def _keys(schema: JsonSchema, where: Location) -> list[str]:
    """The keys that the schema knows at a location."""
    definitions = cast("Mapping[str, JsonSchema]", schema.get("$defs", {}))

    def resolve(part: JsonSchema) -> JsonSchema:
        if "$ref" in part:
            return resolve(definitions[str(part["$ref"]).rsplit("/", 1)[-1]])
        options = cast("Sequence[JsonSchema]", part.get("anyOf", ()))
        return next((r for r in map(resolve, options) if "properties" in r), part)

    here = resolve(schema)
    for part in where:
        properties = cast("Mapping[str, JsonSchema]", here.get("properties", {}))
        inner = properties.get(str(part)) or here.get("items") or here.get("additionalProperties") or {}
        here = resolve(cast("JsonSchema", inner))
    return sorted(cast("Mapping[str, JsonSchema]", here.get("properties", {})))
