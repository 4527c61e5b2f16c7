# The names of configs/env/<environment>.yaml; a test compares them.
locals {
  bucket           = "${var.project}-plumbline-${var.environment}"
  dataset          = "plumbline_${var.environment}"
  images           = "plumbline"
  pipelines        = "plumbline-pipelines"
  pipeline_account = "plumbline-pipeline-${var.environment}"

  labels = {
    environment = var.environment
    product     = "plumbline"
  }

  # Written by `make generate` from plumbline/permissions.py, which says which step needs what for which call.
  permissions = jsondecode(file("${path.module}/permissions.json"))
}

data "google_project" "here" {
  project_id = var.project
}
