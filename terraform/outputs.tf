output "config" {
  description = "The lines of configs/env/<environment>.yaml that this has made; `terraform output -raw config`."

  value = <<-EOT
    project: ${var.project}
    location: ${var.location}
    bucket: ${local.bucket}
    dataset: ${local.dataset}
    bigquery_location: ${var.location}
    images:
      components: ${var.location}-docker.pkg.dev/${var.project}/${local.images}/components
      trainer: ${var.location}-docker.pkg.dev/${var.project}/${local.images}/trainer
      serving: ${var.location}-docker.pkg.dev/${var.project}/${local.images}/serving
    pipelines: https://${var.location}-kfp.pkg.dev/${var.project}/${local.pipelines}
    service_account: ${local.pipeline_account}@${var.project}.iam.gserviceaccount.com
    encryption_key: "${local.key == null ? "" : local.key}"
    labels:
      environment: ${local.labels.environment}
      product: ${local.labels.product}
  EOT
}

output "alerts" {
  description = "The subscription that drift, failed runs and budget alerts arrive at."
  value       = google_pubsub_subscription.alerts.id
}

output "build_account" {
  description = "What Cloud Build runs as: `serviceAccount` of cloudbuild.yaml."
  value       = google_service_account.build.email
}
