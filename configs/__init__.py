"""The configs that ship with the package: each ``*.yaml`` here runs by name."""
