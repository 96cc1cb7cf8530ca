"""Which settings a tune tries, in which order, and what it leaves out: on laws made by hand."""

import itertools
import math
from dataclasses import replace

import pytest

from bench import tune as bench
from energyscore.measurement.tune.search import Search
from energyscore.measurement.tune.space import Settings, Space, TrialOutcome

DEFAULT = Settings(1, "float32")


def measured(settings, energy_wh, half=0.01):
    ci95 = (energy_wh * math.exp(-half), energy_wh * math.exp(half))
    return TrialOutcome(settings, "measured", energy_wh, ci95)


def by_batch(energies, fits=10**6):
    """A law that knows the energy of each batch size; what does not fit runs out of memory."""

    def law(settings):
        if settings.batch_size > fits:
            return TrialOutcome(settings, "out_of_memory", reason="out of memory")
        return measured(settings, energies[settings.batch_size])

    return law


def smooth(fixed=1.0, each=0.1, fits=10**6):
    """A batch takes so much by itself, and so much for each of its queries."""

    def law(settings):
        if settings.batch_size > fits:
            return TrialOutcome(settings, "out_of_memory", reason="out of memory")
        return measured(settings, fixed / settings.batch_size + each)

    return law


def tune(search, law, most=10**6):
    """Go through with it; what was proposed, in order."""
    proposals = []
    while len(proposals) < most and (proposal := search.next()):
        assert search.next() == proposal
        proposals.append(proposal)
        search.tell(law(proposal.settings))
    return proposals


def sizes(proposals):
    return [one.settings.batch_size for one in proposals]


def test_a_rise_is_no_end_and_the_default_comes_first_and_once_more():
    energies = {1: 0.29, 2: 0.263, 4: 0.3, 8: 0.165, 16: 0.2, 32: 0.119}
    search = Search(Space(DEFAULT, (1, 2, 4, 8, 16, 32)), seed=1)
    proposals = tune(search, by_batch(energies))
    assert search.best.settings.batch_size == 32
    assert sizes(proposals)[0] == 1
    assert sorted(sizes(proposals)[1:-1]) == [2, 4, 8, 16, 32]
    assert [one.repeat for one in proposals] == [False] * 6 + [True]
    assert proposals[-1].settings == DEFAULT
    assert proposals[0].beaten_by is None
    assert proposals[-1].beaten_by is None
    assert search.drift == 0
    assert search.left_out == []


def test_the_order_is_by_chance_and_the_same_for_a_seed():
    space = Space(DEFAULT, most_batch=64)
    orders = {tuple(sizes(tune(Search(space, seed), smooth()))[1:7]) for seed in range(8)}
    assert len(orders) > 4
    assert tune(Search(space, 3), smooth()) == tune(Search(space, 3), smooth())


@pytest.mark.parametrize("fits", [1, 5, 24, 100])
def test_what_did_not_fit_leaves_out_all_that_are_larger(fits):
    worst = 0
    for seed in range(6):
        search = Search(Space(DEFAULT, most_batch=512), seed)
        proposals = tune(search, smooth(fits=fits))
        rungs = [size for size in sizes(proposals) if math.log2(size) % 1 == 0]
        failed = [size for size in rungs if size > fits]
        assert failed == sorted(failed, reverse=True)
        worst = max(worst, len(failed))
        # The best is as near to what fits as the noise lets it be worth.
        assert search.best.settings.batch_size <= fits
        assert smooth()(search.best.settings).energy_wh <= 1.03 * (1 / fits + 0.1)
        too_large = [one for one in search.left_out if one.settings.batch_size > fits]
        assert all("did not fit in memory" in one.reason for one in too_large)
    assert worst <= 6


def test_too_slow_leaves_out_all_that_are_larger_but_lost_quality_does_not():
    def law(settings):
        found = smooth()(settings)
        if settings.batch_size > 8:
            return replace(found, status="over_latency", reason="2.1 s, and 2 s are allowed")
        return replace(found, status="quality_lost") if settings.batch_size == 8 else found

    search = Search(Space(DEFAULT, (1, 2, 4, 8, 16, 32)), seed=1)
    tune(search, law)
    assert search.best.settings.batch_size == 4
    assert all("batch size 16 takes longer" in one.reason for one in search.left_out)


def test_other_settings_are_changed_one_after_another_from_the_best():
    """Half precision needs half and fits twice as many; eager attention a tenth more."""

    def law(settings):
        half = settings.dtype == "float16"
        factor = (0.5 if half else 1.0) * (1.1 if settings.attention == "eager" else 1.0)
        found = smooth(10, 0.1, fits=64 if half else 32)(settings)
        return found if found.energy_wh is None else measured(settings, found.energy_wh * factor)

    space = Space(
        DEFAULT, most_batch=512, dtypes=("float16",), attentions=("eager", "sdpa")
    )  # fmt: skip
    search = Search(space, seed=1)
    proposals = tune(search, law)
    assert search.best.settings == replace(DEFAULT, batch_size=64, dtype="float16")
    assert len(proposals) < 30  # of 10 batch sizes, 2 precisions and 3 attentions
    reasons = [one.reason for one in search.left_out]
    assert any("one after another" in reason or "not beside" in reason for reason in reasons)


def test_a_value_with_which_nothing_works_is_tried_once():
    def law(settings):
        if settings.quantization == "int8":
            return TrialOutcome(settings, "failed", reason="int8: nothing was quantized")
        return smooth()(settings)

    search = Search(Space(DEFAULT, (1, 2, 4), quantizations=("none", "int8")), seed=1)
    tried = [one for one in tune(search, law) if one.settings.quantization == "int8"]
    assert len(tried) == 1
    reasons = {one.reason for one in search.left_out if one.settings.quantization == "int8"}
    assert reasons == {"no batch size that was tried does with these settings"}


def test_a_value_far_above_the_best_says_so_of_the_batch_sizes_beside():
    def law(settings):
        return smooth(fixed=0.0, each=1.0 if settings.quantization == "none" else 1.6)(settings)

    search = Search(Space(DEFAULT, (1, 4), quantizations=("none", "int8")), seed=1)
    tune(search, law)
    reasons = {one.reason for one in search.left_out if one.settings.quantization == "int8"}
    assert reasons == {"what was tried with these settings needs over 1.5 times the best"}


def test_what_fits_with_no_batch_size_may_fit_in_another_precision():
    def law(settings):
        if settings.dtype == "float32":
            return TrialOutcome(settings, "out_of_memory")
        return smooth(fits=4)(settings)

    search = Search(Space(DEFAULT, (1, 2, 4, 8), dtypes=("float16",)), seed=1)
    tune(search, law)
    assert search.best.settings == replace(DEFAULT, batch_size=4, dtype="float16")


def test_a_search_in_which_all_fails_ends():
    search = Search(Space(DEFAULT, most_batch=512), seed=1)
    proposals = tune(search, lambda settings: TrialOutcome(settings, "failed", reason="no"))
    assert len(proposals) == 3
    assert search.best is None
    assert {one.reason for one in search.left_out} == {"the first 3 trials failed"}


def test_a_search_may_end_at_any_time_and_go_on_from_what_is_finished():
    space = Space(DEFAULT, most_batch=128, dtypes=("float16", "bfloat16"))
    whole = tune(Search(space, 5), smooth(fits=40))
    for done in range(0, len(whole), 4):
        search = Search(space, 5)
        first = tune(search, smooth(fits=40), done)
        left = search.left_out
        assert any(one.reason == "the search ended before it" for one in left)
        assert first + tune(search, smooth(fits=40)) == whole


def test_only_what_was_proposed_is_told():
    search = Search(Space(DEFAULT, (1, 2)), seed=1)
    with pytest.raises(ValueError, match="not proposed"):
        search.tell(measured(Settings(7), 1.0))


def test_the_whole_grid_is_tried_where_it_is_asked_for():
    space = Space(DEFAULT, (1, 2, 4), dtypes=("float16",), compiles=(True,))
    proposals = tune(Search(space, 2, exhaustive=True), smooth(0.5, 0.5))
    asked = [one.settings for one in proposals]
    tried = {(one.batch_size, one.dtype, one.compile) for one in asked}
    assert tried == set(itertools.product((1, 2, 4), ("float32", "float16"), (False, True)))
    assert len(proposals) == 12 + 1


def test_an_exhaustive_search_leaves_out_only_what_cannot_fit():
    space = Space(DEFAULT, (1, 2, 4, 8, 16), dtypes=("float16",))
    search = Search(space, 2, exhaustive=True)
    law = by_batch({1: 9.0, 2: 0.5, 4: 0.4, 8: 0.3, 16: 0.3}, fits=8)
    assert len(tune(search, law)) == 2 * 5 + 1
    assert search.best.settings.batch_size == 8
    assert tune(Search(space, 2), law) != tune(Search(space, 2, exhaustive=True), law)


def test_how_much_power_is_drawn_changes_nothing_in_what_fits():
    space = Space(DEFAULT, (1, 2, 4, 8), power_limits_w=(None, 150.0))
    search = Search(space, seed=1)
    failed = [one for one in tune(search, smooth(fits=2)) if one.settings.batch_size > 2]
    assert {one.settings.power_limit_w for one in failed} == {None}


def test_between_the_doubled_batch_sizes_lies_the_best_where_the_curve_says_so():
    """A batch takes the same up to 23 queries, and far more from 24 on."""

    def law(settings):
        size = settings.batch_size
        return measured(settings, (1.0 if size < 24 else 1.0 + 0.2 * (size - 23)) / size)

    search = Search(Space(DEFAULT, most_batch=128), seed=1)
    tune(search, law)
    assert 22 <= search.best.settings.batch_size <= 23
    # Where the user named the batch sizes, there are no others.
    named = Search(Space(DEFAULT, (1, 8, 16, 32)), seed=1)
    assert set(sizes(tune(named, law))) <= {1, 8, 16, 32}


def test_a_poor_rung_below_the_wall_hides_nothing():
    """From 16 on a poor kernel takes half more again, and up to 30 fit: 30 is the best."""

    def law(settings):
        size = settings.batch_size
        if size > 30:
            return TrialOutcome(settings, "out_of_memory")
        return measured(settings, (1.0 if size < 16 else 1.5) * (1 + 0.01 * size) / size)

    search = Search(Space(DEFAULT, most_batch=64), seed=1)
    tune(search, law)
    assert search.best.settings.batch_size in (29, 30)


def test_what_helps_only_with_a_setting_that_is_changed_later_is_found():
    """Half precision is slower, but for compiled code."""

    def law(settings):
        factor = {
            ("float32", False): 1.0, ("float32", True): 0.9,
            ("float16", False): 1.2, ("float16", True): 0.5,
        }[settings.dtype, settings.compile]  # fmt: skip
        return measured(settings, smooth()(settings).energy_wh * factor)

    search = Search(Space(DEFAULT, (1, 2, 4), dtypes=("float16",), compiles=(True,)), seed=1)
    tune(search, law)
    assert search.best.settings == replace(DEFAULT, batch_size=4, dtype="float16", compile=True)


def test_tunes_find_the_best_settings_of_simulated_gpus_for_less_than_half_of_the_work():
    tuned = [bench.tune(seed) for seed in range(12)]
    assert sum(one.found for one in tuned) >= 11
    assert sum(one.beaten for one in tuned) > 0
    assert sum(one.share for one in tuned[:3]) / 3 <= 0.5


def test_a_drift_widens_what_is_undecided():
    def drifting(factor):
        energies, seen = {1: 1.0, 2: 0.52, 4: 0.5}, set()

        def law(settings):
            again = settings in seen
            seen.add(settings)
            return measured(settings, energies[settings.batch_size] * (factor if again else 1))

        return law

    steady, adrift = (Search(Space(DEFAULT, (1, 2, 4)), seed=1) for _ in range(2))
    tune(steady, drifting(1.0))
    tune(adrift, drifting(1.05))
    assert adrift.drift == pytest.approx(math.log(1.05))
    assert steady.undecided == []
    assert [one.settings.batch_size for one in adrift.undecided] == [2]


def test_a_trial_is_beaten_above_the_interval_of_the_best_so_far():
    proposals = tune(Search(Space(DEFAULT, (1, 2)), seed=1), by_batch({1: 1.0, 2: 0.6}))
    assert proposals[1].beaten_by == pytest.approx(math.exp(0.01))


def test_a_batch_that_needs_far_more_leaves_out_what_can_only_need_half_of_it():
    energies, left = {1: 1.0, 2: 0.6, 4: 0.5, 8: 2.0, 16: 1.0}, {}
    for seed in range(8):
        search = Search(Space(DEFAULT, (1, 2, 4, 8, 16)), seed)
        tune(search, by_batch(energies))
        left |= {one.settings.batch_size: one.reason for one in search.left_out}
    assert set(left) == {16}
    assert "batch size 8 needs so much energy that one 2 times as large" in left[16]
