"""What a cluster's worker executes: a whole run in a process of its own.

`leadpipe worker` starts one. So does Celery: `celery -A leadpipe.worker worker -Q dagster,bulk`.
"""

from dagster_celery.tasks import create_execute_job_task

from leadpipe.cluster.broker import make_app
from leadpipe.private import keep_private
from leadpipe.settings import Settings, load_settings, prepare_dagster

keep_private()  # the files of runs, which hold personal data
prepare_dagster()
app = make_app(load_settings(Settings).needed_cluster().broker)
execute_run = create_execute_job_task(app)
