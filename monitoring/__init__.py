"""This package watches and proves: the dashboard, and later alerts, anomalies and reconciliation."""
