environment    = "prod"
builds         = ["tag"]
monthly_budget = 1000
