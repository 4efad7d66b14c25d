"""Dagster's runs, events and schedules in PostgreSQL, where the settings say.

Named in a cluster's `dagster.yaml`.
"""

from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage

from leadpipe.settings import Settings, load_settings


class ClusterStorage(DagsterPostgresStorage):
    """Dagster's storage in PostgreSQL at DAGSTER_PG_URL."""

    @classmethod
    def config_type(cls) -> Any:  # noqa: ANN401 - Dagster's own
        """It has no configuration: the address is no business of a file of Dagster's."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # noqa: ANN401, ARG003
    ) -> "ClusterStorage":
        """Made from the settings.

        Raises:
            ConfigurationError: they name no cluster.
        """
        return cls(load_settings(Settings).needed_cluster().postgres_url, inst_data=inst_data)
