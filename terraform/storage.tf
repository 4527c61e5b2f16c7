resource "google_storage_bucket" "main" {
  name                        = local.bucket
  location                    = var.location
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  dynamic "encryption" {
    for_each = google_kms_crypto_key.main
    content {
      default_kms_key_name = encryption.value.id
    }
  }

  # What was replaced can be had back for a month.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  # The artifacts of runs are never deleted by age: the champion's files are read by each evaluation, and a step that
  # Vertex AI takes from its cache, which has no end, still points at files of the run that made them.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age            = 60
      matches_prefix = ["runs/"]
    }
  }

  # The source that a build was made from is in git.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 7
      matches_prefix = ["source/"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.services]
}
