# Drift, models gone bad, failed runs and the budget come together in one topic, and at people by e-mail.
resource "google_pubsub_topic" "alerts" {
  name         = "plumbline-alerts-${var.environment}"
  kms_key_name = local.key
  labels       = local.labels

  depends_on = [google_kms_crypto_key_iam_member.services]
}

# A topic without a subscription forgets.
resource "google_pubsub_subscription" "alerts" {
  name                       = "plumbline-alerts-${var.environment}"
  topic                      = google_pubsub_topic.alerts.id
  message_retention_duration = "604800s"
  labels                     = local.labels

  expiration_policy {
    ttl = ""
  }
}

resource "google_monitoring_notification_channel" "topic" {
  display_name = "Plumbline ${var.environment}: topic"
  type         = "pubsub"
  user_labels  = local.labels

  labels = {
    topic = google_pubsub_topic.alerts.id
  }
}

# Cloud Monitoring publishes as an agent that the first channel of this kind brings into being.
resource "google_pubsub_topic_iam_member" "monitoring" {
  topic  = google_pubsub_topic.alerts.id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"

  depends_on = [google_monitoring_notification_channel.topic]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "Plumbline ${var.environment}: ${each.value}"
  type         = "email"
  user_labels  = local.labels

  labels = {
    email_address = each.value
  }

  depends_on = [google_project_service.needed]
}

locals {
  emails = [for channel in google_monitoring_notification_channel.email : channel.id]

  # Model monitoring writes a log line for each feature that has drifted, the evaluation one for each alert that it
  # raises (plumbline/alerts.py); a run writes its error.
  watched = {
    alert = "severity>=ERROR labels.alert:*"
    drift = "logName=\"projects/${var.project}/logs/aiplatform.googleapis.com%2Fmodel_monitoring_anomaly\""
    run   = "resource.type=\"aiplatform.googleapis.com/PipelineJob\" severity>=ERROR"
  }
}

resource "google_monitoring_alert_policy" "watched" {
  for_each = local.watched

  display_name          = "Plumbline ${var.environment}: ${each.key}"
  combiner              = "OR"
  notification_channels = concat([google_monitoring_notification_channel.topic.id], local.emails)
  user_labels           = local.labels

  conditions {
    display_name = each.key
    condition_matched_log {
      filter = each.value
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }
}

resource "google_billing_budget" "monthly" {
  count = var.billing_account == "" ? 0 : 1

  billing_account = var.billing_account
  display_name    = "Plumbline ${var.environment}"

  budget_filter {
    projects = ["projects/${data.google_project.here.number}"]
  }

  amount {
    specified_amount {
      units = var.monthly_budget
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  # Cloud Billing adds the right to publish to the topic by itself.
  all_updates_rule {
    pubsub_topic                     = google_pubsub_topic.alerts.id
    monitoring_notification_channels = local.emails
  }

  depends_on = [google_project_service.needed]
}
