"""`$(NAME)` in the command, arguments and variables of a container.

Source: `ModelContainerSpec.command` in model.proto, `EnvVar.value` in env_var.proto; they follow Kubernetes.
"""

import re
from collections.abc import Mapping, Sequence

_REFERENCE = re.compile(r"\$\$|\$\((?P<name>[A-Za-z_][A-Za-z0-9_]*)\)")


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with references replaced. One to a variable that is not set stays as it is; `$$` means `$`."""
    return _REFERENCE.sub(lambda m: "$" if m["name"] is None else variables.get(m["name"], m[0]), text)


def with_own(given: Mapping[str, str], own: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """The given variables and a container's own, in which earlier ones and the given ones can be named.

    What is given wins: a container cannot set the service's variables.
    """
    variables = dict(given)
    for name, value in own:
        variables.setdefault(name, expanded(value, variables))
    return variables
