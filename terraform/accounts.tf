# One account a duty. None has a key: Vertex AI and Cloud Build run as them, people act as them for an hour.
resource "google_service_account" "pipeline" {
  account_id   = local.pipeline_account
  display_name = "Plumbline ${var.environment}: runs the pipeline"
  description  = "Vertex AI runs the steps and the training job as this account."

  depends_on = [google_project_service.needed]
}

resource "google_service_account" "build" {
  account_id   = "plumbline-build-${var.environment}"
  display_name = "Plumbline ${var.environment}: builds and submits"
  description  = "Cloud Build runs what was merged or tagged as this account."

  depends_on = [google_project_service.needed]
}

# A pull request can hold any code, so what checks it may write its log and nothing else.
resource "google_service_account" "check" {
  account_id   = "plumbline-check-${var.environment}"
  display_name = "Plumbline ${var.environment}: checks pull requests"
  description  = "Cloud Build runs the checks of a pull request as this account."

  depends_on = [google_project_service.needed]
}

locals {
  members = merge(
    {
      pipeline = { duty = "pipeline", member = google_service_account.pipeline.member }
      build    = { duty = "submitter", member = google_service_account.build.member }
    },
    { for member in var.submitters : member => { duty = "submitter", member = member } },
  )
}

# Custom roles of exactly the permissions that some call needs, a role for each duty and place.
resource "google_project_iam_custom_role" "needed" {
  for_each = local.permissions

  role_id     = "plumbline_${var.environment}_${each.key}"
  title       = "Plumbline ${var.environment}: ${replace(each.key, "_", " ")}"
  description = "From plumbline/permissions.py, which says why."
  permissions = each.value

  depends_on = [google_project_service.needed]
}

# What cannot be granted on anything smaller: Vertex AI, BigQuery's jobs and read sessions, builds, logs, quotas.
resource "google_project_iam_member" "needed" {
  for_each = local.members

  project = var.project
  role    = google_project_iam_custom_role.needed["${each.value.duty}_project"].id
  member  = each.value.member
}

resource "google_storage_bucket_iam_member" "needed" {
  for_each = local.members

  bucket = google_storage_bucket.main.name
  role   = google_project_iam_custom_role.needed["${each.value.duty}_bucket"].id
  member = each.value.member
}

resource "google_bigquery_dataset_iam_member" "needed" {
  for_each = local.members

  dataset_id = google_bigquery_dataset.main.dataset_id
  role       = google_project_iam_custom_role.needed["${each.value.duty}_dataset"].id
  member     = each.value.member
}

resource "google_service_account_iam_member" "needed" {
  for_each = local.members

  service_account_id = google_service_account.pipeline.name
  role               = google_project_iam_custom_role.needed["${each.value.duty}_service_account"].id
  member             = each.value.member
}

resource "google_artifact_registry_repository_iam_member" "images" {
  for_each = local.members

  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = google_project_iam_custom_role.needed["${each.value.duty}_images"].id
  member     = each.value.member
}

# The pipeline reads no compiled pipelines: only who submits has a role here.
resource "google_artifact_registry_repository_iam_member" "pipelines" {
  for_each = { for name, found in local.members : name => found if found.duty == "submitter" }

  location   = google_artifact_registry_repository.pipelines.location
  repository = google_artifact_registry_repository.pipelines.name
  role       = google_project_iam_custom_role.needed["${each.value.duty}_pipelines"].id
  member     = each.value.member
}

# `make images` starts builds that run as the build's account.
resource "google_service_account_iam_member" "build" {
  for_each = var.submitters

  service_account_id = google_service_account.build.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_project_iam_member" "check" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.check.member
}

# Vertex AI pulls the serving image as its agent, not as the account of the pipeline.
resource "google_artifact_registry_repository_iam_member" "vertex" {
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_project_service_identity.agent["aiplatform.googleapis.com"].member
}
