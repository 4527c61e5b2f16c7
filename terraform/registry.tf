# Vertex AI serves only images of its own region. Old images stay: a version of the registry can be deployed again only
# while its image is there.
resource "google_artifact_registry_repository" "images" {
  repository_id = local.images
  description   = "Images of the steps, the trainer and the model server, tagged with the digest of the code."
  location      = var.location
  format        = "DOCKER"
  kms_key_name  = local.key
  labels        = local.labels

  depends_on = [google_kms_crypto_key_iam_member.services]
}

resource "google_artifact_registry_repository" "pipelines" {
  repository_id = local.pipelines
  description   = "Compiled pipelines."
  location      = var.location
  format        = "KFP"
  kms_key_name  = local.key
  labels        = local.labels

  depends_on = [google_kms_crypto_key_iam_member.services]
}
