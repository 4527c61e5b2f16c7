variable "project" {
  description = "Id of the Google Cloud project; each environment has a project of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 lower-case letters, digits and dashes."
  }
}

variable "location" {
  description = "Region of everything: Vertex AI reads buckets, images and views of its own region only."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.location))
    error_message = "The location must be a region, such as us-central1; multi-regions such as US do not work."
  }
}

variable "environment" {
  description = "Name of the environment: configs/env/<name>.yaml."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "The environment is dev or prod."
  }
}

variable "submitters" {
  description = "Who may type `make run-pipeline`, beside Cloud Build: user:..., group:... or principalSet:..."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.submitters : can(regex("^(user|group|principal|principalSet):.+$", member))])
    error_message = "A submitter is user:..., group:..., principal:... or principalSet:..."
  }
}

variable "approvers" {
  description = "Who may approve a build of a tag: user:... or group:..."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.approvers : can(regex("^(user|group):.+$", member))])
    error_message = "An approver is user:... or group:..."
  }
}

variable "repository" {
  description = "The repository that Cloud Build watches, connected by hand once: projects/*/locations/*/connections/*/repositories/*. Empty: no triggers."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[^/]+/locations/[^/]+/connections/[^/]+/repositories/[^/]+)?$", var.repository))
    error_message = "A repository is projects/*/locations/*/connections/*/repositories/*."
  }
}

variable "builds" {
  description = "What starts a build here: pull-request, main, tag."
  type        = set(string)

  validation {
    condition     = length(setsubtract(var.builds, ["pull-request", "main", "tag"])) == 0
    error_message = "A build is started by pull-request, main or tag."
  }
}

variable "problem" {
  description = "The config that builds submit, from the root of the repository."
  type        = string
  default     = "configs/flights.yaml"
}

variable "alert_emails" {
  description = "Who is told of drift, of failed runs and of the budget; at most five, since a budget takes no more."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.alert_emails) <= 5 && alltrue([for email in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "At most five e-mail addresses."
  }
}

variable "billing_account" {
  description = "Billing account of the project, such as 012345-6789AB-CDEF01. Empty: no budget."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6})?$", var.billing_account))
    error_message = "A billing account is three times six hexadecimal digits, parted by dashes."
  }
}

variable "monthly_budget" {
  description = "Whole units of the billing account's currency; the alert comes at half, at nine tenths, at all of it, and when the forecast is above it."
  type        = number

  validation {
    condition     = var.monthly_budget > 0 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "The budget is a whole number above 0."
  }
}

variable "encrypted" {
  description = "Whether a key of your own (CMEK) encrypts bucket, dataset, images, topic, and what the pipeline makes on Vertex AI."
  type        = bool
  default     = false
}
