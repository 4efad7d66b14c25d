"""A sync that is killed at any moment, again and again, ends like one that never was."""

from leadpipe_tests.dagster_ui.kills import kill_syncs

KILLS = 6


def test_killed_syncs_end_like_one_that_was_not(sandbox, tmp_path):
    """Killed between its commits and started again, a sync gives the same tables, each event once."""
    kills = kill_syncs(sandbox, tmp_path, kills=KILLS, seed=7)
    assert len(kills) == KILLS
    assert len({kill.phase for kill in kills}) >= 3, kills
