"""Rule books of markets, one YAML file each."""
