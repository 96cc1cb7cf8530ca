"""Images made of prompts: how well they fit these, to a CLIP model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energyscore.base.errors import ModelError
from energyscore.base.files import is_dir, is_file, local_path
from energyscore.measurement.backend import Answerer
from energyscore.measurement.quality.metric import Judged, Metric, Names, Setting, ratio
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.weight_files import check_weights
from energyscore.protocol.workload import Query

if TYPE_CHECKING:
    from energyscore.measurement.backends.clip import Clip


class ClipScore(Metric):
    """The cosine of an image and its prompt x 100, at least 0; the mean where it is several.

    The CLIP model works on the processor in float32, whatever was measured and where. It is loaded
    when the first images are there, after all that is metered.
    """

    named, folder = "", Path()
    _clip: "Clip | None" = None
    _revision: str | None = None

    def set_up(self, task: TaskSpec, judge: str | None) -> None:
        """Find the CLIP model, which is never downloaded unasked."""
        self.named = judge or (task.quality and task.quality.judge) or ""
        self.folder = _at_hand(self.named)
        self._task = task

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """Nothing beside the prompts."""
        return [row["prompt"] for row in rows]

    def ask(self, backend: Answerer, queries: Sequence[Query]) -> list[Any]:
        """The scores of the images of one batch: the images themselves are not kept."""
        images = backend.answer(queries)
        clip = self._loaded()
        scores = []
        for made, query in zip(images, queries, strict=True):
            cosines = clip.answer([{"image": one, "prompt": query["prompt"]} for one in made])
            scores.append(sum(max(0.0, 100 * cosine) for cosine in cosines) / len(cosines))
        return scores

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """The mean of the scores."""
        settings: dict[str, Setting] = {
            "clip": parse_model(self.named).label,
            "clip_revision": self._revision,
            "prompt_tokens_at_most": self._loaded().longest,
            "clip_dtype": "float32",
        }
        self._clip = None  # another model may be metered next
        return ratio([[score, 1.0] for score in answers], settings=settings)

    def _loaded(self) -> "Clip":
        if self._clip is None:
            from energyscore.measurement.backends.clip import Clip

            clip = Clip()
            self._revision = clip.load(parse_model(str(self.folder)), self._task, "cpu").revision
            self._clip = clip
        return self._clip


def _at_hand(named: str) -> Path:
    """The folder of a CLIP model: a local one, or what the hub's cache has of it."""
    if not named:
        raise ModelError("no CLIP model is named.", "Name one with --clip.")
    folder = local_path(named)
    if folder is None or not is_dir(folder):
        folder = _cached(named)
    if not is_file(folder / "config.json") or not check_weights(folder, named, allow_pickle=False):
        raise ModelError(f"{named} holds no model: its config.json or its weights are missing.")
    return folder


def _cached(named: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(named, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"no CLIP model is at hand: {named} is neither a folder nor in the hub's cache.",
            "Name one with --clip; `hf download ID` fetches one.",
        ) from error
