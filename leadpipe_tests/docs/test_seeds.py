"""docs/seeds.md: every line of the five guides has its counterpart there, and what it names exists."""

import ast
import re
from contextlib import suppress

import click
import duckdb
import pytest

from leadpipe.settings import whole_settings
from leadpipe_tests.docs.markdown import ROOT, blocks, sections, table_rows
from leadpipe_tests.docs.test_examples import parse

_PAGE = ROOT / "docs" / "seeds.md"
_TESTS = ROOT / "leadpipe_tests"
_PLACES = {
    "FILE": "leads.json",
    "ID": "1",
    "LEAD_ID": "lead-1",
    "DATE": "2026-11-20",
    "MSISDN": "08031234567",
}

# What the guides name, word for word: commands, options, functions, columns, endpoints, variables, scenarios.
_LINES = {
    "PostHog lead data sync": """
        sync-posthog-leads | --tenant | --program-id | --project-id | --dry-run | POSTHOG_API_KEY
        POSTHOG_PROJECT_ID | LeadUpdated | leadId | loggedAt | last 30 days | 5-second tolerance
        interactions | contactOutcome | notReachedReason | interestLevel | blocker | nextAction | notes
        leads.json | trailing spaces | scheduled job | CI/CD | webhook
    """,
    "Cron job: leads and analytics": """
        POST /api/cron/analytics | lead_phone | lead_message | lead_appointment | listing_id | seeker_id
        lister_id | lister_type | lead_type | message_type | ${listing_id}_${seeker_id} | lead_actions
        total_actions | lead_score | first_action_date | last_action_date | last_action_type | status
        status_tracker | notes | created_at | updated_at | listing_analytics | total_views | unique_views
        total_leads | phone_leads | message_leads | email_leads | appointment_leads | unique_leads
        conversion_rate | impressions | shares | saves | listings | share_breakdown | leads_breakdown
        40, 30, 20, 15, 10 | John | Leads Management | Analytics Dashboard
    """,
    "Real-time visitor sync": """
        /api/webhooks/posthog | POSTHOG_WEBHOOK_SECRET | /api/cron/sync-visitors | CRON_SECRET | /admin/sync
        syncAllMetricsWithPostHog() | updateMetricVisitors(timestamp) | syncMetricById(id) | getSyncStatus()
        vercel.json | 0 */6 * * * | .github/workflows/sync-visitors.yml
        node scripts/update-visitors-from-posthog.js | curl http://localhost:3002/api/sync
        curl http://localhost:3002/api/webhooks/posthog | sync frequency | rate limiting
        custom PostHog queries | webhook flow | cron flow | Start Sync | last sync time
    """,
    "Lead tracking and reconciliation": """
        succeeded_leads | failed_leads | lead_data | channel | session_id | submitted_at | npa_response
        error_message | retry_count | last_retry_at | created_at | resolved
        manage_failed_leads.py list | manage_failed_leads.py retry <id> | manage_failed_leads.py retry-all
        view_succeeded_leads.py | --since 24h | --since 7d | --channel sms | --export csv | reconcile_leads.py
        Scenario 1: NPA API Credentials Expired | Scenario 2: NPA API Temporarily Down
        Scenario 3: Reconciliation After Issue | Scenario 4: Regular Audit
        count submissions by channel and date | succeeded leads without NPA response
        failed vs succeeded rates | by phone number | npa_lead_id | automated reconciliation | dashboard
        one-click retry | email or SMS | daily summary | 90 days | backup
        webhook when a lead's status changes
    """,
    "Draw cohorts": """
        CreateCohort | GetCohort | ListCohorts | GetCohortPersons | CaptureEvent | EnsureDailyCohort
        GetCohortStats | CreateTestCohort | GetEligibleParticipants | GetParticipantEntries | RecordDrawResult
        POSTHOG_BASE_URL | recharged before the draw date | ₦100 | not blacklisted | draw execution flow
        retry logic | performance metrics | HTTPS | masked
    """,
}


def rows_of(section: str) -> list[tuple[str, ...]]:
    """There, here and test of each line of a section."""
    return list(table_rows(_text_of(section)))


def _text_of(section: str) -> str:
    return sections(_PAGE, level=2)[section]


@pytest.mark.parametrize("section", _LINES)
def test_every_line_of_a_guide_is_on_the_page(section):
    """Where a reader of the guide would look: in the first column, word for word."""
    there = "\n".join(row[0] for row in rows_of(section)).replace("`", "")
    wanted = {one.strip() for line in _LINES[section].splitlines() for one in line.split("|")} - {
        ""
    }
    assert {one for one in wanted if one not in there} == set()


@pytest.mark.parametrize("section", _LINES)
def test_every_line_names_a_test_that_exists(section):
    """The file, and the function in it."""
    missing = set()
    for _, _, named in rows_of(section):
        file, _, function = named.partition("::")
        path = _TESTS / file
        if not path.is_file():
            missing.add(named)
            continue
        found = {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        tests = {name for name in found if name.startswith("test_")}
        if (function not in tests) if function else not tests:
            missing.add(named)
    assert missing == set()


@pytest.mark.parametrize("section", _LINES)
def test_every_command_named_exists(section):
    """With its options; capitals stand for values."""
    named = re.findall(r"`leadpipe ([^`]+)`", _text_of(section))
    assert named
    for command in named:
        words = [_PLACES.get(word, word) for word in command.split()]
        if words[-1] == "--phone":
            words.append("+15551234567")
        with suppress(click.MissingParameter):  # the page need not say all that a command needs
            parse(words)


def test_every_setting_named_exists():
    """Names in capitals that begin as leadpipe's settings do are settings."""
    known = {field.alias or name.upper() for name, field in whole_settings().model_fields.items()}
    named = set(re.findall(r"`((?:LEADPIPE|POSTHOG|CRON|NPA)_[A-Z_]+)`", _PAGE.read_text()))
    assert named - known == set()


def test_the_questions_of_the_guide_have_their_answers():
    """Each query finds what the guide's finds in SQLite: by day, without an answer, of a week, by phone."""
    with duckdb.connect() as connection:
        connection.execute("""
            SET TimeZone = 'UTC';
            CREATE TABLE succeeded_leads AS
            SELECT * FROM (VALUES
                (1, '{"phone": "+15551234567", "email": "a@example.org", "full_name": "Ann"}'::JSON, 'sms',
                 now() - INTERVAL 1 HOUR, '{}'::JSON),
                (2, '{"phone": "+15557654321"}'::JSON, 'sms', now() - INTERVAL 6 DAY, NULL),
                (3, '{"phone": "+15551234567"}'::JSON, 'voice', now() - INTERVAL 9 DAY, NULL)
            ) AS t(id, lead_data, channel, submitted_at, npa_response);
            CREATE TABLE failed_leads AS
            SELECT * FROM (VALUES
                ('sms', now() - INTERVAL 2 DAY, false),
                ('sms', now() - INTERVAL 2 DAY, true),
                ('voice', now() - INTERVAL 8 DAY, false)
            ) AS t(channel, created_at, resolved);
        """)
        by_day, without, rates, by_phone = (
            connection.execute(block.text).fetchall() for block in blocks(_PAGE, "sql")
        )
    assert [(channel, count) for _, channel, count in by_day] == [
        ("sms", 1),
        ("sms", 1),
        ("voice", 1),
    ]
    assert [row[0] for row in without] == [2, 3]
    assert rates == [("failed", "sms", 1), ("succeeded", "sms", 2)]
    assert [(row[0], *row[3:]) for row in by_phone] == [
        (1, "+15551234567", "a@example.org", "Ann"),
        (3, "+15551234567", None, None),
    ]
