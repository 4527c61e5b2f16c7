"""What the training job runs."""
