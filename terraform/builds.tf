# What is given here goes before the defaults in the files; `_SERVICE_ACCOUNT` is there already.
locals {
  builds = var.repository == "" ? toset([]) : var.builds

  substitutions = {
    _REGION = var.location
    _ENV    = "configs/env/${var.environment}.yaml"
    _CONFIG = var.problem
  }
}

resource "google_cloudbuild_trigger" "pull_request" {
  count = contains(local.builds, "pull-request") ? 1 : 0

  name            = "plumbline-pull-request-${var.environment}"
  description     = "Checks a pull request; somebody of the team must ask for it with /gcbrun where a stranger made it."
  location        = var.location
  filename        = "cloudbuild/pull-request.yaml"
  service_account = google_service_account.check.id
  tags            = values(local.labels)

  repository_event_config {
    repository = var.repository
    pull_request {
      branch          = "^main$"
      comment_control = "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"
    }
  }
}

resource "google_cloudbuild_trigger" "main" {
  count = contains(local.builds, "main") ? 1 : 0

  name            = "plumbline-main-${var.environment}"
  description     = "Builds what was merged, submits it, and waits for the verdict."
  location        = var.location
  filename        = "cloudbuild.yaml"
  service_account = google_service_account.build.id
  substitutions   = local.substitutions
  tags            = values(local.labels)

  repository_event_config {
    repository = var.repository
    push {
      branch = "^main$"
    }
  }
}

resource "google_cloudbuild_trigger" "tag" {
  count = contains(local.builds, "tag") ? 1 : 0

  name            = "plumbline-tag-${var.environment}"
  description     = "Publishes the compiled pipeline of a tag and submits it, once somebody has approved."
  location        = var.location
  filename        = "cloudbuild/release.yaml"
  service_account = google_service_account.build.id
  substitutions   = local.substitutions
  tags            = values(local.labels)

  approval_config {
    approval_required = true
  }

  repository_event_config {
    repository = var.repository
    push {
      tag = "^v[0-9]+\\.[0-9]+\\.[0-9]+$"
    }
  }
}

resource "google_project_iam_member" "approver" {
  for_each = var.approvers

  project = var.project
  role    = "roles/cloudbuild.builds.approver"
  member  = each.value
}
