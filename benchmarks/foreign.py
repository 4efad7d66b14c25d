"""Sides that need packages of their own: each a script run by the Python of another environment.

The benchmark makes the environments in `benchmarks/out`; what cannot be installed is left out, aloud.
"""

import subprocess
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import OUT


@dataclass(frozen=True)
class Foreign:
    """A script and what it needs.

    Args:
        name: of its environment, and of the file `lane_<name>.py`.
        packages: what is installed, as pip takes it.
        imports: modules that must be there.
    """

    name: str
    packages: tuple[str, ...]
    imports: str

    @property
    def _python(self) -> Path:
        return OUT / self.name / "bin" / "python"

    def is_there(self) -> bool:
        """Whether its packages are, which are installed if they can be."""
        if not self._python.exists():
            venv.create(self._python.parents[1], clear=True, with_pip=True)
            install = [str(self._python), "-m", "pip", "install", "--quiet", *self.packages]
            subprocess.run(install, check=False)
        works = subprocess.run([str(self._python), "-c", f"import {self.imports}"], check=False)
        if works.returncode:
            print(
                f"{self.name} could not be installed into {self._python.parents[1]}: it is left out"
            )
        return works.returncode == 0

    def run(self, *arguments: str) -> None:
        """Run the script."""
        script = Path(__file__).with_name(f"lane_{self.name}.py")
        subprocess.run([str(self._python), "-P", str(script), *arguments], check=True)


# All write the same DuckDB, and pandas is the one the project is tested with.
_DUCKDB = f"duckdb=={version('duckdb')}"
_PANDAS = f"pandas=={version('pandas')}"
FOREIGN = {
    "polars": Foreign("polars", ("polars", _DUCKDB, "pyarrow"), "polars, duckdb, pyarrow"),
    "pandas": Foreign("pandas", (_PANDAS, _DUCKDB, "pyarrow"), "pandas, duckdb, pyarrow"),
    "dlt": Foreign("dlt", ("dlt[duckdb]", _DUCKDB, "pyarrow"), "dlt, duckdb, pyarrow"),
}
