environment    = "dev"
builds         = ["pull-request", "main"]
monthly_budget = 300
