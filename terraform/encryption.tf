# A key of one's own is a choice: `encrypted`. It must be there before what it encrypts, and each of Google's services
# reads it as its own agent, which project_service_identity and the two data sources bring into being.
locals {
  key = one(google_kms_crypto_key.main[*].id)
}

resource "google_kms_key_ring" "main" {
  count = var.encrypted ? 1 : 0

  name     = "plumbline-${var.environment}"
  location = var.location

  depends_on = [google_project_service.needed]
}

resource "google_kms_crypto_key" "main" {
  count = var.encrypted ? 1 : 0

  name            = "plumbline"
  key_ring        = one(google_kms_key_ring.main[*].id)
  rotation_period = "7776000s"
  labels          = local.labels

  # With the key goes all that it has encrypted.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_project_service_identity" "agent" {
  for_each = toset([
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "pubsub.googleapis.com",
  ])
  provider = google-beta

  service = each.value

  depends_on = [google_project_service.needed]
}

data "google_storage_project_service_account" "agent" {
  depends_on = [google_project_service.needed]
}

data "google_bigquery_default_service_account" "agent" {
  depends_on = [google_project_service.needed]
}

resource "google_kms_crypto_key_iam_member" "services" {
  for_each = var.encrypted ? {
    aiplatform       = google_project_service_identity.agent["aiplatform.googleapis.com"].member
    artifactregistry = google_project_service_identity.agent["artifactregistry.googleapis.com"].member
    bigquery         = data.google_bigquery_default_service_account.agent.member
    pubsub           = google_project_service_identity.agent["pubsub.googleapis.com"].member
    storage          = data.google_storage_project_service_account.agent.member
  } : {}

  crypto_key_id = local.key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
