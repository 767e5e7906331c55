"""This package reads metadata as it is deployed to an org and applies it to the simulated one."""
