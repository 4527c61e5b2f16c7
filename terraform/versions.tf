terraform {
  required_version = "~> 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
    # Only for google_project_service_identity, which the other one does not have.
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 7.0"
    }
  }

  # The state of a team lies in a bucket that is made by hand once, with versioning. Take the comment signs away and run
  # `terraform init -backend-config="bucket=my-project-terraform" -backend-config="prefix=plumbline/dev"`.
  #
  # backend "gcs" {}
}

provider "google" {
  project               = var.project
  region                = var.location
  billing_project       = var.project
  user_project_override = true
}

provider "google-beta" {
  project               = var.project
  region                = var.location
  billing_project       = var.project
  user_project_override = true
}
