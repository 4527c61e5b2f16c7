"""Results of earlier tasks, by the content that they were made from: image, command, parameters, bytes of inputs.

Vertex AI keys its cache on the identity of input artifacts; content is stricter on what changed and kinder to what did
not. A result is used again only while its files are there and unchanged.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.runtime.tasks import Artifact, Executor, Json, TaskCall, Values

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class CachedExecutor:
    """Asks another executor only for what is not known."""

    execute: Executor
    folder: Path
    """For the entries, one file each."""
    objects: Path
    """Where the objects of Cloud Storage lie."""

    def __call__(self, call: TaskCall) -> Values:
        """The outputs, from the cache where the task allows it and they are there."""
        if not call.caching:
            return self.execute(call)
        entry = self.folder / f"{self.key(call)}.json"
        known = self._read(entry)
        if known is not None:
            return known
        outputs = self.execute(call)
        self._write(entry, outputs)
        return outputs

    def key(self, call: TaskCall) -> str:
        """What a result depends on, as one digest."""
        inputs = {
            name: [self._digest(artifact.uri), artifact.schema_title, dict(artifact.metadata)]
            for name, artifact in call.inputs.artifacts.items()
        }
        interface = {part: call.component.get(part) for part in ("inputDefinitions", "outputDefinitions")}
        content = [call.container, interface, dict(call.inputs.parameters), inputs]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _read(self, entry: Path) -> Values | None:
        if not entry.is_file():
            return None
        kept = json.loads(entry.read_text(encoding="utf-8"))
        artifacts = {name: _artifact(value) for name, value in kept["artifacts"].items()}
        if any(self._digest(artifact.uri) != kept["digests"][name] for name, artifact in artifacts.items()):
            return None
        return Values(kept["parameters"], artifacts, cached=True)

    def _write(self, entry: Path, outputs: Values) -> None:
        kept = {
            "parameters": dict(outputs.parameters),
            "artifacts": {name: artifact.to_json() for name, artifact in outputs.artifacts.items()},
            "digests": {name: self._digest(artifact.uri) for name, artifact in outputs.artifacts.items()},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, also for two runs at the same time.
        handle, part = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(kept, stream)
        Path(part).replace(entry)

    def _digest(self, uri: str) -> str:
        """Of the bytes behind a gs:// URI; the URI itself where it names a resource, or nothing is there."""
        path = self.objects / uri.removeprefix("gs://")
        if not uri.startswith("gs://") or not path.exists():
            return uri
        digest = hashlib.sha256()
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
                with file.open("rb") as stream:
                    while chunk := stream.read(_CHUNK):
                        digest.update(chunk)
        return digest.hexdigest()


def _artifact(value: Mapping[str, Json]) -> Artifact:
    kind = value["type"]
    return Artifact(value["name"], value["uri"], kind["schemaTitle"], kind["schemaVersion"], value["metadata"])
