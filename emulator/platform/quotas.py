"""Cloud Quotas: how many CPUs, GPUs and TPU cores of Vertex AI a region gives to training and serving.

Sources: google/api/cloudquotas/v1/resources.proto. Names of metrics and quotas: gcloud's
command_lib/ai/model_garden_utils.py for serving, and errors of Vertex AI for training; those of accelerators that stand
in neither are made by the same rule. In which regions an accelerator is offered is not looked at.
"""

import re
from collections.abc import Iterator, Mapping

from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import not_found, unimplemented
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message, message_class
from emulator.platform.access import FILE, AccessError
from emulator.platform.rpc import VERTEX, Caller, Rpc
from emulator.project import project_number

_TYPES = "google.cloud.cloudquotas_v1.types"
_GET = "cloudquotas.quotas.get"
_PARENT = re.compile(rf"^projects/(?P<project>[^/]+)/locations/global/services/{re.escape(VERTEX.host)}$")
USUAL_LIMIT = 1000
"""Of every metric in every region."""
REGIONS = (
    "asia-east1",
    "asia-northeast1",
    "asia-southeast1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-west1",
    "us-west4",
)
_PARTS: Mapping[str, str] = {
    "cpus": "CPUs",
    "nvidia_p4_gpus": "P4GPUs",
    "nvidia_p100_gpus": "P100GPUs",
    "nvidia_v100_gpus": "V100GPUs",
    "nvidia_t4_gpus": "T4GPUs",
    "nvidia_l4_gpus": "L4GPUs",
    "nvidia_a100_gpus": "A100GPUs",
    "nvidia_a100_80gb_gpus": "A10080GBGPUs",
    "nvidia_h100_gpus": "H100GPUs",
    "nvidia_h100_mega_gpus": "H100MEGAGPUs",
    "nvidia_h200_gpus": "H200GPUs",
    "nvidia_b200_gpus": "B200GPUs",
    "nvidia_gb200_gpus": "GB200GPUs",
    "nvidia_rtx_pro_6000_gpus": "RTXPRO6000GPUs",
    "tpu_v2": "V2TPU",
    "tpu_v3": "V3TPU",
    "tpu_v5e": "V5ETPU",
}
"""Of the metric's name, and of the quota's."""


def metrics() -> Iterator[tuple[str, str]]:
    """Each metric without its service, and the id of its quota."""
    for use, name in (("training", "Training"), ("serving", "Serving")):
        for kind, preemptible in (("", ""), ("preemptible_", "Preemptible")):
            for part, of_quota in _PARTS.items():
                quota = f"CustomModel{name}{preemptible}{of_quota}PerProjectPerRegion"
                yield f"custom_model_{use}_{kind}{part}", quota


class QuotaRoutes:
    """The methods that the emulator has."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Mapping[str, Rpc]:
        """By the method's name."""
        return {"GetQuotaInfo": Rpc(self.get, _GET), "ListQuotaInfos": Rpc(self.list, _GET)}

    def get(self, request: Message, caller: Caller) -> Message:
        """One quota of Vertex AI, by its id, with its limit in each region."""
        parent, _, wanted = request.name.partition("/quotaInfos/")
        for info in self._infos(parent, caller):
            if info.quota_id == wanted:
                return info
        raise not_found(request.name)

    def list(self, request: Message, caller: Caller) -> Message:
        """The quotas of Vertex AI's custom models, with their limits in each region."""
        response = message_class(f"{_TYPES}.cloudquotas:ListQuotaInfosResponse")()
        return listed(request, response, list(self._infos(request.parent, caller)))

    def _infos(self, parent: str, caller: Caller) -> Iterator[Message]:
        match = _PARENT.match(parent)
        if match is None:
            raise unimplemented(f"the quotas of {parent}; it has those of {VERTEX.host} in locations/global")
        number = project_number(match["project"])
        known = dict(metrics())
        if unknown := sorted(caller.access.quotas.keys() - known.keys()):
            raise AccessError(f"{FILE}: quotas has {unknown}, which no metric is called")
        for metric, quota_id in known.items():
            info = self._info(metric, quota_id, caller.access.quotas.get(metric, {}))
            info.name = f"projects/{number}/locations/global/services/{VERTEX.host}/quotaInfos/{quota_id}"
            yield info

    def _info(self, metric: str, quota_id: str, limits: Mapping[str, int]) -> Message:
        info = message_class(f"{_TYPES}.resources:QuotaInfo")()
        info.quota_id, info.service = quota_id, VERTEX.host
        info.metric, info.is_precise = f"{VERTEX.host}/{metric}", True
        info.container_type = info.DESCRIPTOR.enum_types_by_name["ContainerType"].values_by_name["PROJECT"].number
        info.dimensions.append("region")
        for region in sorted({*REGIONS, self._context.location, *limits}):
            entry = info.dimensions_infos.add(dimensions={"region": region}, applicable_locations=[region])
            entry.details.value = limits.get(region, USUAL_LIMIT)
        return info
