import gc
import weakref

import pytest

from energyscore.measurement.imports import uncollected


class Model:
    """Holds itself, as models do: only the collector can free it."""

    def __init__(self):
        self.myself = self


def test_a_model_that_was_given_up_is_freed_and_what_is_imported_is_set_aside():
    given_up = weakref.ref(Model())
    assert given_up() is not None
    before = gc.get_freeze_count()
    with uncollected():
        assert given_up() is None
        assert not gc.isenabled()
        imported = [[] for _ in range(10_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(imported)
    later = weakref.ref(Model())
    gc.collect()
    assert later() is None, "what comes later is collected as ever"


def test_an_import_that_fails_leaves_the_collector_on():
    with pytest.raises(ImportError), uncollected():
        import energyscore.nothing  # noqa: F401
    assert gc.isenabled()
