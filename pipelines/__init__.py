"""The graph, its linking and its checks, and the command line."""
