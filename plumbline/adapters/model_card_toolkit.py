"""model-card-toolkit 2.0.0, alive under protobuf 6.

The package is of 2023 and works, but for four things, which this module alone knows:

- it pins old versions of what it needs (`[[tool.uv.dependency-metadata]]` in pyproject.toml tells uv its true needs);
- its generated `model_card_pb2` is too old for protobuf 6, so the module is made anew from the descriptor in that file;
- it imports what it can fill cards from by itself, which is not used here: TFMA, TensorFlow and Matplotlib, which take
  seconds, and ml_metadata, whose wheels need a newer glibc than Debian 12 has. So stand-ins are in the place of these,
  and of the two of its own modules that use them, while it is imported;
- its schema refers to `#definitions/graphic`, which lacks a slash and is refused by jsonschema, so graphics are added
  to the card after the rest of it has been checked.
"""

import ast
import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
from google.protobuf import descriptor_pool, message_factory

from plumbline.card import Content
from plumbline.errors import PlumblineError

_PACKAGE = "model_card_toolkit"
_PROTO = f"{_PACKAGE}.proto.model_card_pb2"
_PROTO_FILE = f"{_PACKAGE}/proto/model_card.proto"
_UNUSED = (
    *("ml_metadata", "ml_metadata.proto", "tensorflow_model_analysis"),
    *(f"{_PACKAGE}.utils.graphics", f"{_PACKAGE}.utils.tfx_util"),
)


def write_card(content: Content, *, card: Path, page: Path, template: Path) -> None:
    """Writes a model card as JSON in model-card-toolkit's schema, and as HTML.

    Args:
        content: The card.
        card: The JSON file.
        page: The HTML file.
        template: A Jinja template that is given `model_details`, `model_parameters`, `quantitative_analysis` and
            `considerations`.

    Raises:
        PlumblineError: The content does not fit the schema.
    """
    toolkit = load()
    folder = card.parent / f"{card.name}.assets"
    maker = toolkit.ModelCardToolkit(output_dir=str(folder))
    try:
        checked, graphics = _without_graphics(content)
        filled = maker.scaffold_assets(json=checked)
        filled.quantitative_analysis.graphics = toolkit.GraphicsCollection(
            description=graphics["description"], collection=[toolkit.Graphic(**each) for each in graphics["collection"]]
        )
        html = maker.export_format(model_card=filled, template_path=str(template))
    except (ValueError, jsonschema.ValidationError) as error:
        raise PlumblineError(f"the model card does not fit model-card-toolkit's schema: {error}") from error
    card.write_text(filled.to_json(), encoding="utf-8")
    page.write_text(html, encoding="utf-8")


def _without_graphics(content: Content) -> tuple[dict[str, Any], Mapping[str, Any]]:
    analysis: Any = content["quantitative_analysis"]
    rest = {name: part for name, part in analysis.items() if name != "graphics"}
    return {**content, "quantitative_analysis": rest}, analysis["graphics"]


def load() -> types.ModuleType:
    """The package, without what it could fill cards from."""
    if _PROTO not in sys.modules:
        sys.modules[_PROTO] = _messages()
    stand_ins = {name: _StandIn(name) for name in _UNUSED if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module(_PACKAGE)
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _messages() -> types.ModuleType:
    """The package's protobuf messages, from the serialized descriptor that its own generated module holds."""
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(_descriptor())
    file = pool.FindFileByName(_PROTO_FILE)
    module = types.ModuleType(_PROTO)
    module.__dict__["DESCRIPTOR"] = file
    for name, descriptor in file.message_types_by_name.items():
        module.__dict__[name] = message_factory.GetMessageClass(descriptor)
    return module


def _descriptor() -> bytes:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PlumblineError("the package model-card-toolkit is not installed")
    source = Path(spec.submodule_search_locations[0]) / "proto" / "model_card_pb2.py"
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        # serialized_pb=_b('...'): text whose characters are the bytes.
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb" and isinstance(node.value, ast.Call):
            text = node.value.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                return text.value.encode("latin1")
    raise PlumblineError(f"{source} holds no serialized descriptor: is this model-card-toolkit 2.0.0?")


class _StandIn(types.ModuleType):
    """A module all of whose names are there and mean nothing."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StandIn(name)
