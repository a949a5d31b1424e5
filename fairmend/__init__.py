"""fairmend turns a fairness audit into a fix that can be shown to work."""
