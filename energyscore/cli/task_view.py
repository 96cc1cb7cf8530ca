"""What people see of one task: each setting in words."""

from energyscore.base.units import counted
from energyscore.protocol.task import ModelClass, TaskFile, TaskSpec


def describe_task(task: TaskFile) -> list[tuple[str, str]]:
    """The settings of a task, each with its name for people."""
    spec = task.spec
    data = spec.dataset
    fields = ", ".join(f"{field} from {column}" for field, column in data.columns.items())
    rows = [
        ("what is done", spec.description),
        ("official data", f"{data.id}, split {data.split}, revision {data.revision}; {fields}"),
        ("bundled sample", str(task.sample_path)),
        ("queries", f"{spec.queries:,} a pass, {spec.batch_size} at a time"),
        ("runs", str(spec.repeats)),
        ("precision", f"{' or '.join(spec.precision)} on a GPU, float32 on the processor"),
        ("answers", _answers(spec)),
        ("quality", _quality(spec)),
        ("phases", ", ".join(spec.phases)),
        ("classes", "; ".join(_size(spec, place) for place in range(len(spec.classes)))),
        ("bundled models", ", ".join(spec.default_models)),
        ("reference scale", spec.scale_task),
        ("file", str(task.path)),
        ("digest", spec.digest),
    ]
    return [(name, text) for name, text in rows if text]


def _answers(spec: TaskSpec) -> str:
    """How much is generated; empty where nothing is."""
    if spec.diffusion is not None:
        images = counted(spec.diffusion.images, "image")
        return f"{images} a query, {spec.diffusion.steps} steps of diffusion"
    if (made := spec.generation) is None:
        return ""
    if made.min_new_tokens == made.max_new_tokens:
        return f"exactly {counted(made.max_new_tokens, 'token')}, {made.strategy}"
    text = f"at most {counted(made.max_new_tokens, 'token')}, {made.strategy}"
    if made.usual_max_new_tokens is not None:
        usual = f"{made.usual_max_new_tokens:,} unless --max-new-tokens says more"
        text = f"{text} (official); {usual}"
    return text


def _quality(spec: TaskSpec) -> str:
    """The metric of --quality and its references; empty where there is none."""
    if (quality := spec.quality) is None:
        return ""
    columns = ", ".join(quality.references.values())
    return f"{quality.metric}, references from {columns}" if columns else quality.metric


def _size(spec: TaskSpec, place: int) -> str:
    """A size class: which models are in it, and on how many GPUs they may be."""
    size: ModelClass = spec.classes[place]
    bound = "larger" if place else "any size"
    if size.max_parameters_b is not None:
        bound = f"up to {size.max_parameters_b:g} billion parameters"
    gpus = "any number of GPUs" if size.max_gpus is None else counted(size.max_gpus, "GPU")
    return f"{size.name}: {bound}, {gpus}"
