"""This package answers who may do what: people, workspaces, roles, tokens and the audit trail."""
