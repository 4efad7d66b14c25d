"""Partitions of the leads syncs: tenants and programs, as the tenants file lists them."""

import dagster as dg

TENANT_PROGRAMS = dg.DynamicPartitionsDefinition(name="tenant_programs")
"""`tenant/program`; a sensor keeps them as the file says."""
