"""One thread for everybody's work: the urgent between the layers of the patient."""

import threading
import time

import pytest

from core.engines.local import scheduler
from core.engines.local.scheduler import Job, Scheduler, Urgency

SECONDS = 20


class Steps(Job):
    """Work of some passes; each goes through some layers and may stop at a gate in the first."""

    def __init__(self, name, urgency, n_passes=1, n_layers=3, gate=None):
        super().__init__(urgency)
        self.name, self.left, self.n_layers, self.gate = name, n_passes, n_layers, gate
        self.at_gate = threading.Event()


class Bench:
    """A scheduler whose passes write down what they do."""

    def __init__(self, join=lambda jobs: jobs[:1]):
        self.diary = []
        self.scheduler = Scheduler(join, self.do_pass)

    def do_pass(self, jobs, pause):
        names = "+".join(job.name for job in jobs)
        for layer in range(jobs[0].n_layers):
            for job in jobs:
                if job.gate is not None and not job.at_gate.is_set():
                    job.at_gate.set()
                    assert job.gate.wait(SECONDS)
            pause()
            self.diary.append(f"{names}{layer}")
        for job in jobs:
            job.left -= 1
            job.done = not job.left

    def begun(self, job):
        """Submit a job and return when it stands at its gate."""
        self.scheduler.submit(job)
        assert job.at_gate.wait(SECONDS)
        return job


@pytest.fixture(autouse=True)
def no_gathering(monkeypatch):
    """Passes are never begun again for the sake of others, but where a test wants it."""
    monkeypatch.setattr(scheduler, "GATHER_SECONDS", 0)


def ended(*jobs):
    """Wait for jobs; none may hang."""
    for job in jobs:
        assert job._ended.wait(SECONDS)


def test_the_urgent_goes_between_the_layers_of_the_patient():
    """A click that comes during a long pass is served before that pass's next layer."""
    bench, gate = Bench(), threading.Event()
    patient = bench.begun(Steps("score", Urgency.SCORE, gate=gate))
    prefill = Steps("prefill", Urgency.PREFILL, n_layers=1)
    click = Steps("click", Urgency.CLICK, n_layers=1)
    bench.scheduler.submit(prefill, click)
    gate.set()
    ended(patient, prefill, click)
    assert bench.diary == ["click0", "score0", "prefill0", "score1", "score2"]


def test_the_patient_never_goes_between_the_layers_of_the_urgent():
    """What comes during a click and is less urgent waits for its end."""
    bench, gate = Bench(), threading.Event()
    click = bench.begun(Steps("click", Urgency.CLICK, gate=gate))
    score = Steps("score", Urgency.SCORE, n_layers=1)
    bench.scheduler.submit(score)
    gate.set()
    ended(click, score)
    assert bench.diary == ["click0", "click1", "click2", "score0"]


def test_jobs_of_one_kind_take_turns():
    """Two long texts advance pass by pass, not one after the other."""
    bench, gate = Bench(), threading.Event()
    first = bench.begun(Steps("a", Urgency.SCORE, n_passes=3, n_layers=1, gate=gate))
    second = Steps("b", Urgency.SCORE, n_passes=3, n_layers=1)
    bench.scheduler.submit(second)
    gate.set()
    ended(first, second)
    assert bench.diary == ["a0", "b0"] * 3


def test_the_patient_advances_however_many_click():
    """Between two layers of a long text at most one pass of clicks, though clicks always wait."""
    bench, gate = Bench(), threading.Event()
    clicks = Steps("c", Urgency.CLICK, n_passes=5, n_layers=1, gate=gate)
    bench.begun(clicks)
    score = Steps("s", Urgency.SCORE, n_passes=2, n_layers=1)
    bench.scheduler.submit(score)
    gate.set()
    ended(clicks, score)
    assert bench.diary == ["c0", "c0", "s0", "c0", "c0", "s0", "c0"]


def test_waiting_jobs_are_joined():
    """What waits together is done in one pass, as ``join`` allows."""
    bench, gate = Bench(join=lambda jobs: list(jobs)), threading.Event()
    first = bench.begun(Steps("a", Urgency.CLICK, n_layers=1, gate=gate))
    others = [Steps(name, Urgency.CLICK, n_layers=1) for name in "bcd"]
    bench.scheduler.submit(*others)
    gate.set()
    ended(first, *others)
    assert bench.diary == ["a0", "b+c+d0"]


def test_looking_ahead_gives_way_to_anybody():
    """Lookahead that was begun is dropped at the next layer, and never done again."""
    bench, gate = Bench(), threading.Event()
    ahead = bench.begun(Steps("ahead", Urgency.LOOKAHEAD, gate=gate))
    score = Steps("score", Urgency.SCORE, n_layers=1)
    bench.scheduler.submit(score)
    ahead.cancelled = True  # whoever clicks withdraws what was prepared
    gate.set()
    ended(ahead, score)
    assert bench.diary == ["score0"]


def test_looking_ahead_that_was_dropped_is_taken_up_again_when_all_is_quiet():
    """What another person's work interrupted is done after it."""
    bench, gate = Bench(), threading.Event()
    ahead = bench.begun(Steps("ahead", Urgency.LOOKAHEAD, n_layers=1, gate=gate))
    click = Steps("click", Urgency.CLICK, n_layers=1)
    bench.scheduler.submit(click)
    gate.set()
    ended(ahead, click)
    assert bench.diary == ["click0", "ahead0"]


def test_a_pass_nobody_waits_for_is_dropped_at_the_next_layer():
    """Cancelling ends the work within a layer, and whoever waits is told."""
    bench, gate = Bench(), threading.Event()
    score = bench.begun(Steps("score", Urgency.SCORE, gate=gate))
    score.cancelled = True
    gate.set()
    ended(score)
    assert bench.diary == []
    assert not score.done


def test_a_job_cancelled_in_line_is_never_begun():
    """It ends without a pass."""
    bench, gate = Bench(), threading.Event()
    first = bench.begun(Steps("a", Urgency.SCORE, n_layers=1, gate=gate))
    second = Steps("b", Urgency.SCORE, n_layers=1)
    second.cancelled = True
    bench.scheduler.submit(second)
    gate.set()
    ended(first, second)
    assert bench.diary == ["a0"]


def test_an_error_reaches_those_whose_pass_it_was_and_nobody_else():
    """A failed pass raises in its waiters; the scheduler goes on."""
    bench = Bench()
    broken = Steps("broken", Urgency.CLICK)
    broken.n_layers = None  # range(None)
    whole = Steps("whole", Urgency.CLICK, n_layers=1)
    bench.scheduler.submit(broken, whole)
    with pytest.raises(TypeError):
        broken.wait()
    whole.wait()
    assert bench.diary == ["whole0"]


def test_an_error_between_layers_is_not_the_patients():
    """A click that fails inside a long pass leaves that pass alone."""
    bench, gate = Bench(), threading.Event()
    score = bench.begun(Steps("score", Urgency.SCORE, n_layers=2, gate=gate))
    broken = Steps("broken", Urgency.CLICK)
    broken.n_layers = None
    bench.scheduler.submit(broken)
    gate.set()
    with pytest.raises(TypeError):
        broken.wait()
    score.wait()
    assert bench.diary == ["score0", "score1"]


def test_the_thread_ends_when_idle_and_comes_back(monkeypatch):
    """An engine nobody uses holds no thread; the next job starts one."""
    monkeypatch.setattr(scheduler, "IDLE_SECONDS", 0.05)
    bench = Bench()
    for n in (1, 2):
        job = Steps("a", Urgency.CLICK, n_layers=1)
        bench.scheduler.submit(job)
        ended(job)
        deadline = time.monotonic() + SECONDS
        while bench.scheduler._running:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(bench.diary) == n


def test_closing_ends_a_pass_at_its_next_layer():
    """At the end of the program no thread is left behind in the middle of a pass."""
    bench, gate = Bench(), threading.Event()
    bench.begun(Steps("score", Urgency.SCORE, gate=gate))
    closing = threading.Thread(target=bench.scheduler.close)
    closing.start()
    while not bench.scheduler._closed:
        time.sleep(0.001)
    gate.set()
    closing.join(SECONDS)
    assert not bench.scheduler._thread.is_alive()
    assert bench.diary == []


def test_a_pass_that_has_just_begun_is_begun_again_with_those_who_come(monkeypatch):
    """A class that clicks at once shares one pass, and nobody's pass is begun a third time."""
    monkeypatch.setattr(scheduler, "GATHER_SECONDS", SECONDS)
    monkeypatch.setattr(scheduler.time, "sleep", lambda seconds: None)
    bench, gate, late = Bench(join=lambda jobs: list(jobs)), threading.Event(), threading.Event()
    first = bench.begun(Steps("a", Urgency.CLICK, gate=gate, n_layers=2))
    second = Steps("b", Urgency.CLICK, gate=late, n_layers=2)
    bench.scheduler.submit(second)
    gate.set()
    assert second.at_gate.wait(SECONDS)
    third = Steps("c", Urgency.CLICK, n_layers=1)
    bench.scheduler.submit(third)
    late.set()
    ended(first, second, third)
    assert bench.diary == ["b+a0", "b+a1", "c0"]


@pytest.mark.parametrize("just_now", [True, False])
def test_several_who_come_together_wait_for_the_rest(monkeypatch, just_now):
    """A burst has one pass, also those who come a moment later; an old line is served at once."""
    monkeypatch.setattr(scheduler, "GATHER_SECONDS", SECONDS if just_now else 0)
    late = Steps("c", Urgency.CLICK, n_layers=1)
    monkeypatch.setattr(Scheduler, "_gather", lambda self, kind: self.submit(late))
    bench = Bench(join=list)
    together = [Steps(name, Urgency.CLICK, n_layers=1) for name in "ab"]
    bench.scheduler.submit(*together)
    ended(*together)
    assert bench.diary == (["a+b+c0"] if just_now else ["a+b0"])
