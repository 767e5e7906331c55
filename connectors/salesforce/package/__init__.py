"""This package holds what an org needs of ours, as the source of an SFDX project, and makes the zip of it."""
