"""Reading manifests: YAML with positions, checked by the same rules as the API server's."""
