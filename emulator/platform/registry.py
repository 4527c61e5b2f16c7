"""Artifact Registry: versions of packages and their tags, be they images or pipeline templates.

Every repository of the project is there, but for those that `access.json` takes away; one that holds a template is of
the format KFP, any other of the format DOCKER.
Source: google/devtools/artifactregistry/v1/{repository,package,version,tag,artifact}.proto.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from google.protobuf import empty_pb2

from emulator.aiplatform import wire
from emulator.aiplatform.context import Collection, Context, stamp
from emulator.aiplatform.errors import exists, invalid, not_found, unimplemented
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.platform.rpc import Caller, Rpc, tested

_TYPES = "google.cloud.artifactregistry_v1.types"
_TEMPLATE = "kfp.template"
"""Kind in the store of the text of a pipeline template, by the name of its version."""
_REPOSITORY = re.compile(r"^projects/[^/]+/locations/[^/]+/repositories/[^/]+")
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """What is in all repositories."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.versions = Collection(context, f"{_TYPES}.version:Version")
        self.tags = Collection(context, f"{_TYPES}.tag:Tag")

    def add(self, package: str, digest: str, tags: Sequence[str], template: str = "") -> Message:
        """Keeps a version of a package and moves tags to it; gives the version.

        Args:
            package: Its full name.
            digest: `sha256:` and 64 hexadecimal digits, which is the version's id.
            tags: Short names.
            template: The text, of a pipeline template.
        """
        name = f"{package}/versions/{digest}"
        with self._context.lock:
            version = self.versions.find(name)
            if version is None:
                version = message_class(self.versions.kind)(name=name)
                stamp(version, self._context, "create_time")
            stamp(version, self._context, "update_time")
            self.versions.put(name, version)
            for tag in tags:
                self.tag(f"{package}/tags/{tag}", name)
            if template:
                self._context.store.put(_TEMPLATE, name, template)
        return version

    def tag(self, name: str, version: str) -> Message:
        """Puts a tag on a version, off any other."""
        self.versions.get(version)
        tag = message_class(self.tags.kind)(name=name, version=version)
        self.tags.put(name, tag)
        return tag

    def template(self, package: str, version_or_tag: str) -> str:
        """The text of a pipeline template.

        Raises:
            ApiError: There is none.
        """
        tag = self.tags.find(f"{package}/tags/{version_or_tag}")
        name = tag.version if tag is not None else f"{package}/versions/{version_or_tag}"
        text = self._context.store.get(_TEMPLATE, name)
        if text is None:
            raise not_found(name)
        return text

    def holds_templates(self, repository: str) -> bool:
        """Whether a repository is one of pipeline templates."""
        return bool(self._context.store.list(_TEMPLATE, f"{repository}/"))

    def tags_of(self, version: str) -> list[str]:
        """The tags on a version, as short names."""
        package = version.partition("/versions/")[0]
        return [tag.name.rpartition("/")[2] for tag in self.tags.all(f"{package}/tags/") if tag.version == version]


class RegistryRoutes:
    """The methods that the emulator has."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> Mapping[str, Rpc]:
        """By the method's name."""
        registry = self._registry
        handlers: Mapping[str, tuple[Callable[[Message], Message], str]] = {
            "GetRepository": (self.get_repository, "repositories.get"),
            "GetDockerImage": (self.get_image, "dockerimages.get"),
            "ListDockerImages": (self.list_images, "dockerimages.list"),
            "GetPackage": (self.get_package, "packages.get"),
            "ListPackages": (self.list_packages, "packages.list"),
            "GetVersion": (lambda request: registry.versions.get(request.name), "versions.get"),
            "ListVersions": (self.list_versions, "versions.list"),
            "GetTag": (lambda request: registry.tags.get(request.name), "tags.get"),
            "ListTags": (self.list_tags, "tags.list"),
            "CreateTag": (self.create_tag, "tags.create"),
            "UpdateTag": (self.update_tag, "tags.update"),
            "DeleteTag": (self.delete_tag, "tags.delete"),
        }
        rpcs = {name: Rpc(_there(handler), f"artifactregistry.{needs}") for name, (handler, needs) in handlers.items()}
        return {**rpcs, "TestIamPermissions": Rpc(self.test)}

    def test(self, request: Message, caller: Caller) -> Message:
        """What the caller may do with the repository."""
        check_repository(request.resource, caller)
        return tested(request, caller)

    def get_repository(self, request: Message) -> Message:
        """The repository of a name."""
        repository = message_class(f"{_TYPES}.repository:Repository")(name=request.name)
        kind = "KFP" if self._registry.holds_templates(request.name) else "DOCKER"
        repository.format_ = repository.DESCRIPTOR.enum_types_by_name["Format"].values_by_name[kind].number
        return repository

    def get_image(self, request: Message) -> Message:
        """An image, by its digest."""
        repository, _, image = request.name.partition("/dockerImages/")
        package, _, digest = image.partition("@")
        return self._image(self._registry.versions.get(f"{repository}/packages/{package}/versions/{digest}"))

    def list_images(self, request: Message) -> Message:
        """The images of a repository."""
        if self._registry.holds_templates(request.parent):
            raise invalid(f"{request.parent} holds pipeline templates, not images")
        response = message_class(f"{_TYPES}.artifact:ListDockerImagesResponse")()
        versions = self._registry.versions.all(f"{request.parent}/packages/")
        return listed(request, response, [self._image(version) for version in versions])

    def get_package(self, request: Message) -> Message:
        """A package, which is there as long as a version of it is."""
        versions = self._registry.versions.all(f"{request.name}/versions/")
        if not versions:
            raise not_found(request.name)
        return _package(request.name, versions)

    def list_packages(self, request: Message) -> Message:
        """The packages of a repository."""
        by_name: dict[str, list[Message]] = {}
        for version in self._registry.versions.all(f"{request.parent}/packages/"):
            by_name.setdefault(version.name.partition("/versions/")[0], []).append(version)
        response = message_class(f"{_TYPES}.package:ListPackagesResponse")()
        return listed(request, response, [_package(name, versions) for name, versions in by_name.items()])

    def list_versions(self, request: Message) -> Message:
        """The versions of a package."""
        response = message_class(f"{_TYPES}.version:ListVersionsResponse")()
        return listed(request, response, self._registry.versions.all(f"{request.parent}/versions/"))

    def list_tags(self, request: Message) -> Message:
        """The tags of a package."""
        if "*" in request.filter:
            raise unimplemented("wildcards in a filter")
        response = message_class(f"{_TYPES}.tag:ListTagsResponse")()
        return listed(request, response, self._registry.tags.all(f"{request.parent}/tags/"))

    def create_tag(self, request: Message) -> Message:
        """A new tag on a version."""
        name = f"{request.parent}/tags/{request.tag_id}"
        if self._registry.tags.find(name) is not None:
            raise exists(name)
        return self._registry.tag(name, _in_full(request.tag.version, name))

    def update_tag(self, request: Message) -> Message:
        """A tag moved to another version."""
        wire.only(request, ("tag", "update_mask"), "UpdateTagRequest")
        self._registry.tags.get(request.tag.name)
        return self._registry.tag(request.tag.name, _in_full(request.tag.version, request.tag.name))

    def delete_tag(self, request: Message) -> Message:
        """Takes a tag off its version."""
        self._registry.tags.delete(request.name)
        return empty_pb2.Empty()

    def _image(self, version: Message) -> Message:
        package, _, digest = version.name.partition("/versions/")
        repository, _, image = package.partition("/packages/")
        _, project, _, location, _, short = repository.split("/")
        found = message_class(f"{_TYPES}.artifact:DockerImage")(
            name=f"{repository}/dockerImages/{image}@{digest}",
            uri=f"{location}-docker.pkg.dev/{project}/{short}/{image.replace('%2F', '/')}@{digest}",
            tags=self._registry.tags_of(version.name),
            media_type=_MANIFEST,
        )
        found.upload_time.CopyFrom(version.create_time)
        found.build_time.CopyFrom(version.create_time)
        found.update_time.CopyFrom(version.update_time)
        return found


def check_repository(name: str, caller: Caller) -> None:
    """Nothing, when the repository of a name, or of what is in it, is there.

    Raises:
        ApiError: It is not.
    """
    match = _REPOSITORY.match(name)
    if match is not None and match[0] in caller.access.missing_repositories:
        raise not_found(match[0])


def _there(handler: Callable[[Message], Message]) -> Callable[[Message, Caller], Message]:
    def checked(request: Message, caller: Caller) -> Message:
        name = request.tag.name if hasattr(request, "tag") and request.tag.name else ""
        check_repository(name or getattr(request, "name", "") or request.parent, caller)
        return handler(request)

    checked.__doc__ = handler.__doc__
    return checked


def _package(name: str, versions: Sequence[Message]) -> Message:
    package = message_class(f"{_TYPES}.package:Package")(name=name, display_name=name.rpartition("/")[2])
    package.create_time.CopyFrom(min((version.create_time for version in versions), key=lambda at: at.ToNanoseconds()))
    package.update_time.CopyFrom(max((version.update_time for version in versions), key=lambda at: at.ToNanoseconds()))
    return package


def _in_full(version: str, tag: str) -> str:
    """A version's full name; KFP's client, where its host is none of Google's, begins it at `packages/`."""
    repository = tag.partition("/packages/")[0]
    return f"{repository}/{version}" if version.startswith("packages/") else version
