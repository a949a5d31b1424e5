"""Knowledge as data: finding kinds, policies, references, measured evidence; its loaders, and the registry of plugins."""
