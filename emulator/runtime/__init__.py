"""An interpreter for compiled Kubeflow pipelines."""
