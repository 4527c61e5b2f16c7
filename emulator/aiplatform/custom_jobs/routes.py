"""JobService's custom jobs."""

from emulator.aiplatform.custom_jobs import resource, scheduling
from emulator.aiplatform.custom_jobs.runner import Runner
from emulator.aiplatform.jobs import Kind

CUSTOM_JOBS = Kind(
    name="CustomJob",
    module="custom_job",
    field="custom_job",
    collection="customJobs",
    check=resource.check,
    complete=lambda job: scheduling.write_defaults(job.job_spec),
    running=lambda context, job, _: Runner(context, job),
)
