"""What the promises of docs/reliability.md are tried with: sensors that fail, `mumu soak` and `mumu fuzz`."""
