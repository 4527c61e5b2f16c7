"""Resource Manager: the one project. Source: google/cloud/resourcemanager/v3/projects.proto."""

from collections.abc import Mapping

from emulator.aiplatform.context import Context
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.states import set_state
from emulator.platform.rpc import APIS, Caller, Rpc, denied, tested
from emulator.project import project_number

_GET = "resourcemanager.projects.get"


class ProjectRoutes:
    """The methods that the emulator has."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Mapping[str, Rpc]:
        """By the method's name."""
        return {"GetProject": Rpc(self.get, _GET), "TestIamPermissions": Rpc(self.test)}

    def get(self, request: Message, _: Caller) -> Message:
        """The emulated project, by its id or its number."""
        self._check(request.name)
        owner = self._context.project
        project = message_class("google.cloud.resourcemanager_v3.types.projects:Project")()
        project.name = f"projects/{project_number(owner)}"
        project.project_id = project.display_name = owner
        set_state(project, "ACTIVE")
        return project

    def test(self, request: Message, caller: Caller) -> Message:
        """What the caller may do in the project."""
        self._check(request.resource)
        return tested(request, caller)

    def _check(self, name: str) -> None:
        # Google does not tell a project that is not there from one that the caller may not see.
        owner = self._context.project
        if name not in {f"projects/{owner}", f"projects/{project_number(owner)}"}:
            raise denied(_GET, APIS["projects"], name)
