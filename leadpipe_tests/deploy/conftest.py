"""The image, built once for all tests of its services."""

import pytest

from leadpipe_tests.deploy.containers import why_not
from leadpipe_tests.deploy.images import Image, build


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile makes; `make test-image` makes it with downloads."""
    reason = why_not()
    if reason:
        pytest.skip(f"THE IMAGE IS NOT TRIED: {reason}")
    return build(tmp_path_factory.mktemp("image"), with_downloads=False)
