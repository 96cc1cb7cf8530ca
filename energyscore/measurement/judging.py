"""How good a model's answers are, after its runs."""

from energyscore.measurement.assemble import Setup
from energyscore.measurement.backend import Backend
from energyscore.measurement.entries import SessionEntry
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.quality.evaluate import evaluate
from energyscore.measurement.server.served import ServedModel
from energyscore.results.quality import Quality, in_words


def judge_answers(
    entry: SessionEntry, setup: Setup, backend: Backend | ServedModel, observer: LineObserver
) -> Quality | None:
    """The quality of the model's answers, where it is asked for; all runs are done by now."""
    examination = entry.examination
    if examination is None:
        return None
    random_weights = setup.facts.weights == "random"
    if examination.rows and not random_weights:
        observer.stage("judging answers, unmetered", len(examination.rows.queries))
    answerer, at_once = (
        (backend.answerer(), backend.at_once)
        if isinstance(backend, ServedModel)
        else (backend, setup.plan.batch_size)
    )
    quality = evaluate(
        answerer,
        examination,
        at_once,
        setup.plan.generation,
        random_weights=random_weights,
        advance=observer.advance,
    )
    observer.tell(f"quality: {in_words(quality)}")
    return quality
