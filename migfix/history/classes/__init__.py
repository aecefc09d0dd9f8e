"""Classes of fields, mixins and managers that are the project's own, read from their sources."""
