"""Google Cloud's APIs around Vertex AI, on its port: projects, services, accounts, quotas, builds, what they push."""
