"""The form of what is written and read."""

import copy
import pickle

import pytest
from pydantic import ValidationError

from energyscore.base.form import Part


class Named(Part):
    name: str
    inner: "Named | None" = None


@pytest.mark.parametrize(
    "part",
    [Named(name="a"), Named(name="a", inner=None), Named(name="a", inner=Named(name="b"))],
    ids=["by default", "all set", "in one another"],
)
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy])
def test_a_part_that_went_to_another_process_is_the_same(part, again):
    found = again(part)
    assert found == part
    assert found.model_fields_set == part.model_fields_set
    assert found.model_dump_json(exclude_unset=True) == part.model_dump_json(exclude_unset=True)
    with pytest.raises(ValidationError, match="frozen"):
        found.name = "c"


def test_a_change_of_a_copy_leaves_other_parts_as_they_are():
    """Parts of which all is set share the names of what is set."""
    one = pickle.loads(pickle.dumps(Named(name="a", inner=None)))
    one.model_copy(update={"name": "b"}).model_fields_set.clear()
    assert one.model_fields_set == {"name", "inner"}
