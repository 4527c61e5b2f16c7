resource "google_bigquery_dataset" "main" {
  dataset_id  = local.dataset
  description = "Source tables of Plumbline, and the features that its runs make from them."
  location    = var.location
  labels      = local.labels

  dynamic "default_encryption_configuration" {
    for_each = google_kms_crypto_key.main
    content {
      kms_key_name = default_encryption_configuration.value.id
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.services]
}
