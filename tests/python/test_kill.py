"""A run that is killed and resumed, in worlds of other sizes, receives what the
unbroken run does.  scripts/kill_test does it 200 times."""
import kill_ranks
import kill_run


def test_a_killed_run_receives_each_id_once_in_order():
    assert kill_run.run(8, 300, seed=3) >= 8


def test_ranks_that_are_processes_resume_from_the_last_step_that_all_have():
    assert kill_ranks.run(8, 150, seed=4) >= 8
