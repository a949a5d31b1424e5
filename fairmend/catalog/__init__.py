"""Knowledge as data: finding kinds, policies, references, measured evidence; and its loaders."""
