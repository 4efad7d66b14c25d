"""Several workers on several machines: Dagster's runs in PostgreSQL, handed out by Celery over Redis.

`dagster.yaml` of a cluster names the storage, the queue and the launcher here; all three read leadpipe's own
settings, so that no file of Dagster's has an address or a secret. One machine uses none of this.

| module        | what is in it                                                         |
|---------------|-----------------------------------------------------------------------|
| `broker.py`   | the queues of Celery on Redis, and whether Redis answers               |
| `lives.py`    | who works on a run: a lock of PostgreSQL, gone with the process        |
| `storage.py`  | runs, events and schedules in PostgreSQL                               |
| `queue.py`    | how many runs are handed out at once, and to which workers             |
| `launcher.py` | hands a run to a worker, cancels it, and notices that a worker is gone |
| `runs.py`     | hands several runs of a job to the workers, for a command              |

What a worker executes is `leadpipe/worker.py`; `leadpipe worker` starts one.
"""
