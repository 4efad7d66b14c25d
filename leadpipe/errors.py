"""Every error leadpipe raises on purpose, in one tree.

    LeadpipeError
    ├── ConfigurationError        settings or files a person wrote; fix and start again
    ├── DomainMisfit              a domain's part that does not fit, or two that clash; fix the code
    ├── WarehouseError
    │   ├── WarehouseLocked       another process has the DuckDB file (the message names its PID)
    │   ├── WarehouseConflict     somebody else wrote the same tables meanwhile; nothing was written
    │   ├── WarehouseUnreachable  passing: PostgreSQL or the store of a lake does not answer
    │   ├── WarehouseTooNew       the file was migrated by a newer leadpipe
    │   ├── NotPublished          nothing has been materialised yet
    │   └── AnswerTooSlow         a question took longer than a page waits
    ├── BrokerUnreachable         a cluster's Redis does not answer; passing, or LEADPIPE_BROKER is wrong
    ├── DiskFull                  there is no room on the disk; what was written of a file is removed
    ├── ExportedFileError         a file of exported events cannot be read; nothing of it is loaded
    │   └── OtherProject          its events are another project's
    ├── UnknownLead               no lead has that id
    ├── AmbiguousId               several begin with what was typed; the message names them
    ├── LeadsFileError            a tenant's leads.json cannot be used or written; it is untouched
    │   └── LeadsFileBusy         another sync holds it, or somebody changed it meanwhile
    ├── DrawError
    │   ├── DrawImpossible        nobody eligible, more prizes than participants, events not read yet
    │   ├── AlreadyDrawn          the date has a draw, or a frozen one with other prizes
    │   ├── UnknownDraw           nothing was frozen or drawn for the date
    │   └── EvidenceInvalid       evidence or a proof does not hold; the message says what
    ├── DeliveryError             leads on their way to the partner
    │   ├── PartnerUnavailable        the partner's list could not be read
    │   ├── DeliveryUnderWay          another process delivers right now
    │   └── BadPartnerEvent           a partner's webhook that means nothing
    ├── BucketError               exported files in a bucket or a folder
    │   ├── BucketRefused             the key, its rights, the region or the name is wrong; fix the settings
    │   ├── BucketUnavailable         passing: the network, or the store's own trouble
    │   └── BucketFileChanged         a file is gone or another version since it was listed
    └── PostHogError              carries status, code and the request's name
        ├── PostHogRefused        final: repeating the request cannot help
        │   ├── KeyRejected           401: wrong or wrong kind of key
        │   ├── ScopeMissing          403: the key lacks a scope, named
        │   ├── ProjectNotFound       404 or a project the key may not see
        │   ├── ObjectNotFound        404: the project has no such cohort or person
        │   ├── QuotaExceeded         402: the plan's API quota is used up
        │   ├── QueryRejected         400: HogQL that PostHog does not take
        │   ├── ExportFailed          an export that fails however often it is asked for
        │   ├── ExportUnpaid          an export that the plan's billing limit does not allow
        │   ├── ExportCancelled       somebody stopped the export
        │   └── EventRefused          an event that PostHog or its SDK would drop in silence
        ├── QueryTooHeavy         504, 512, 513: ask for less at once
        ├── TooManyExports        429: as many exports run as PostHog allows; wait until one has ended
        └── PostHogUnavailable    passing: network, 5xx or limits, after all retries
            ├── RateLimited           429 until the deadline
            ├── DeadlineExceeded      the overall deadline of a request passed
            ├── CohortNotCalculated   a cohort's members are not known in time, or PostHog failed
            ├── ExportFailedForNow    an export failed in a way that may pass: ask for it again
            ├── ExportTimedOut        an export took PostHog too long: ask again, for a shorter span
            ├── ExportGone            PostHog has lost the export, or its files: ask for it again
            ├── ExportNotReady        an export still runs at the deadline
            ├── ExportUncertain       which of several new exports is ours cannot be told
            └── FileNotWhole          a file did not arrive whole in all attempts

A message names the thing, its value if that is no secret, and the next step. Errors are translated
for people only at the rims: an asset, a command, a route.
"""


class LeadpipeError(Exception):
    """Root of the tree; catch this to catch everything leadpipe raises on purpose."""


class ConfigurationError(LeadpipeError):
    """A setting or a file that a person wrote cannot be used."""


class DomainMisfit(LeadpipeError):  # noqa: N818 - says what is the case
    """A part of a domain does not fit `leadpipe/domains.py`, or two domains bring the same name."""


class WarehouseError(LeadpipeError):
    """The DuckDB warehouse cannot be opened or read."""


class WarehouseLocked(WarehouseError):  # noqa: N818 - says what is the case
    """Another process holds the DuckDB file; `pid` names it where DuckDB said so."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class WarehouseConflict(WarehouseError):  # noqa: N818
    """Somebody else wrote the same tables of a lake meanwhile; nothing was written: do it again."""


class WarehouseUnreachable(WarehouseError):  # noqa: N818
    """PostgreSQL or the store of a lake does not answer; what waits is done later."""


class WarehouseRefused(WarehouseUnreachable):
    """The store of a lake answers and refuses: nothing passes until somebody gives a right or a bucket."""


class WarehouseTooNew(WarehouseError):  # noqa: N818
    """The file carries migrations that this version of leadpipe does not know."""


class NotPublished(WarehouseError):  # noqa: N818
    """A mart was asked for that no run has published yet."""


class AnswerTooSlow(WarehouseError):  # noqa: N818 - says what is the case
    """A question to the published tables took longer than its reader waits."""


class BrokerUnreachable(LeadpipeError):  # noqa: N818
    """The broker that hands out a cluster's runs does not answer."""


class DiskFull(LeadpipeError):  # noqa: N818
    """There is no room for a file; nothing of it is left, and everything else is as it was."""


class ExportedFileError(LeadpipeError):
    """A file of exported events cannot be read; the message names it. Nothing of it is loaded."""


class OtherProject(ExportedFileError):  # noqa: N818 - says what is the case
    """PostHog knows none of a file's events: they are another project's."""


class UnknownLead(LeadpipeError):  # noqa: N818
    """No lead has the id that was asked for."""


class AmbiguousId(LeadpipeError):  # noqa: N818
    """Several ids begin with the start that was given for one."""


class LeadsFileError(LeadpipeError):
    """A tenant's leads.json cannot be used or written; the message names the place in it."""


class LeadsFileBusy(LeadsFileError):  # noqa: N818
    """Another sync holds the file, or it changed since it was read: try again."""


class DrawError(LeadpipeError):
    """A draw cannot be made, found or believed."""


class DrawImpossible(DrawError):  # noqa: N818
    """The list and the prizes do not make a draw; nothing was written."""


class AlreadyDrawn(DrawError):  # noqa: N818
    """There is one draw a date, unless it is redone with a reason."""


class UnknownDraw(DrawError):  # noqa: N818
    """No draw of that date is known, or the participant is not in it."""


class EvidenceInvalid(DrawError):  # noqa: N818
    """Evidence or a proof does not hold."""


class DeliveryError(LeadpipeError):
    """Leads could not be handed to the partner or compared with it; none is lost by it."""


class PartnerUnavailable(DeliveryError):  # noqa: N818
    """The partner did not answer a question about its leads."""


class DeliveryUnderWay(DeliveryError):  # noqa: N818
    """Another process delivers right now; only one may."""


class BadPartnerEvent(DeliveryError):  # noqa: N818
    """A partner's webhook that names no lead or no status."""


class BucketError(LeadpipeError):
    """A bucket or folder with exported files, or a file in it, cannot be read now; nothing is lost by it."""


class BucketRefused(BucketError):  # noqa: N818
    """The store said no for good; the message names the setting to correct."""


class BucketUnavailable(BucketError):  # noqa: N818
    """The store cannot be reached, or has trouble of its own; what waits there is taken later."""


class BucketFileChanged(BucketError):  # noqa: N818
    """A file is gone or another version since it was listed; the next listing says which."""


class PostHogError(LeadpipeError):
    """PostHog answered with an error, or did not answer.

    Args:
        message: what happened and what to do next; never contains the API key.
        status: the HTTP status, or None when there was no answer.
        code: PostHog's own error code (`api_queries_quota_exceeded`), if it sent one.
        request_name: the name the request was made under (`events of 2026-11-20`).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_name = request_name


class PostHogRefused(PostHogError):  # noqa: N818
    """PostHog said no for good; repeating the same request cannot help."""


class KeyRejected(PostHogRefused):
    """401: the key is wrong, revoked, or of the wrong kind."""


class ScopeMissing(PostHogRefused):
    """403: the key lacks a scope; the message names it."""


class ProjectNotFound(PostHogRefused):
    """404, or a project that the key may not see."""


class ObjectNotFound(PostHogRefused):
    """404: the project is there, but not the cohort or person that was asked for."""


class QuotaExceeded(PostHogRefused):
    """402: the plan's quota for API queries is used up."""


class QueryRejected(PostHogRefused):
    """400: PostHog did not accept the query."""


class EventRefused(PostHogRefused):
    """An event that PostHog or its SDK would drop or change in silence; nothing was sent."""


class ExportFailed(PostHogRefused):
    """PostHog could not make the export, and says that it will not."""


class ExportUnpaid(PostHogRefused):
    """The organisation's billing limit does not allow the export."""


class ExportCancelled(PostHogRefused):
    """The export was stopped, by us or by somebody in PostHog."""


class QueryTooHeavy(PostHogError):  # noqa: N818
    """504, 512 or 513: the query needs more time or memory than PostHog grants; ask for less."""


class TooManyExports(PostHogError):  # noqa: N818
    """As many exports of the project run as PostHog allows; one has to end first."""


class PostHogUnavailable(PostHogError):  # noqa: N818
    """The network, a 5xx or a limit stood in the way until all retries were used up."""


class RateLimited(PostHogUnavailable):
    """429 answers lasted until the deadline."""


class DeadlineExceeded(PostHogUnavailable):
    """The overall deadline of the request passed, whatever the socket was doing."""


class CohortNotCalculated(PostHogUnavailable):
    """A cohort was still being calculated at the deadline, or its calculation failed."""


class ExportFailedForNow(PostHogUnavailable):
    """The export failed or was ended by PostHog in a way that may pass."""


class ExportTimedOut(PostHogUnavailable):
    """The export took longer than PostHog lets one take."""


class ExportGone(PostHogUnavailable):
    """PostHog does not know the export any more, or its files have expired."""


class ExportNotReady(PostHogUnavailable):
    """An export still ran at the deadline; `export_ids` says which."""

    def __init__(self, message: str, *, export_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.export_ids = export_ids


class ExportUncertain(PostHogUnavailable):
    """An answer was lost and more than one export has appeared; `export_ids` says which."""

    def __init__(self, message: str, *, export_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.export_ids = export_ids


class FileNotWhole(PostHogUnavailable):
    """A file of an export did not arrive whole, however often it was asked for."""
