"""Studies are functions: their typed keyword arguments are the parameters that ``--set`` sets and ``show`` lists."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from hpt_ray.core.errors import StudyError, UnknownNameError, explain
from hpt_ray.core.paths import path_of
from hpt_ray.core.registry import beside, file, load
from hpt_ray.core.user_code import place
from hpt_ray.core.values import Frozen
from hpt_ray.spec.bases import bases
from hpt_ray.spec.optimisation import Optimisation
from hpt_ray.spec.study import Pretraining, Study

#: A path is looked for with as many commas in it.
COMMAS = 10


class Parameter(Frozen):
    """One keyword argument of a study function.

    ``default`` is a dict of scale to value where it is the scale's: a study that leaves such an argument None, or out,
    says so by a dict in the annotation.
    """

    name: str
    type: str
    default: Any
    help: str


def parameters(function: Callable[..., Study]) -> list[Parameter]:
    """The keyword arguments of a study function, each written ``name: Annotated[type, "help"] = default``.

    Where the scale gives the default: ``name: Annotated[type | None, "help", {"quick": 1, "paper": 2}] = None``.

    Raises:
        StudyError: if ``study`` is no function, or one of its arguments has no type or no default.
    """
    if not inspect.isfunction(function):
        raise StudyError(
            f"`study` is not a function but {function!r}: write def study(*, name: type = value) -> Study."
        )
    hints = _hints(function)
    listed = []
    for name, argument in inspect.signature(function).parameters.items():
        if argument.kind is argument.VAR_KEYWORD and name not in hints:
            listed += [_parameter(shared, hints[shared], None) for shared in hints if shared not in _named(function)]
        elif name not in hints or argument.default is argument.empty:
            raise StudyError(f"argument {name!r} of a study has no type or no default: write {name}: type = value.")
        else:
            listed.append(_parameter(name, hints[name], argument.default))
    return listed


def _named(function: Callable[..., Study]) -> list[str]:
    """The arguments that a study function names itself, beside those of ``**settings: Unpack[...]``."""
    return list(inspect.signature(function).parameters)


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    annotations = get_args(hint)[1:] if get_origin(hint) is Annotated else ()  # bounds of a value, too
    help_text = next((item for item in annotations if isinstance(item, str)), "")
    if default is None:
        default = next((item for item in annotations if isinstance(item, dict)), None)
    return Parameter(name=name, type=_spell(hint), default=default, help=help_text)


def defaults(listed: Iterable[Parameter], study: Study) -> list[Parameter]:
    """Parameters with their values in a study: as they were set, as they follow from others, or those of its scale.

    What depends on the data or the method (a metric, options) is None where it was not set.
    """
    scale = study.parameters.get("scale") or next((item.default for item in listed if item.name == "scale"), None)
    target, shared = study.recipes.get("target"), bases(study)
    followed: dict[str, Any] = {"decode_size": study.decode_size, "base_seeds": shared.number if shared else None}
    if isinstance(target, Pretraining):
        followed |= {name: getattr(target, name) for name in ("lr", *Optimisation.__annotations__)}

    def value(item: Parameter) -> Any:
        at_scale = item.default.get(scale) if isinstance(item.default, dict) else item.default
        return study.parameters.get(item.name, followed.get(item.name, at_scale))

    return [item.model_copy(update={"default": value(item)}) for item in listed]


def given(pairs: Iterable[str] | None) -> dict[str, str]:
    """What ``--set NAME=VALUE`` says, as text by name.

    Raises:
        StudyError: for what is not written so, and for a name with two values, of which one would be lost.
    """
    settings = dict[str, str]()
    for pair in pairs or ():
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not name:
            raise StudyError(f"--set {pair}: write it as NAME=VALUE, such as --set seeds=5.")
        if settings.get(name, value) != value:
            raise StudyError(f"--set {name} is given as {settings[name]} and as {value}: give it once.")
        settings[name] = value
    return settings


def make(name: str, settings: Mapping[str, Any] | None = None) -> Study:
    """Call the study function behind a name or a path with settings, each checked against its declared type.

    Settings may be strings as typed on a command line (``"5"``, ``"a,b"``) or Python values.

    Raises:
        UnknownNameError: for an unknown study or parameter. StudyError: for a value of the wrong type or a study
            that does not hold together.
    """
    function: Callable[..., Study] = load("studies", name)
    known = {parameter.name: parameter for parameter in parameters(function)}
    hints = _hints(function)
    values: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in known:
            raise UnknownNameError(f"parameter of {name}", key, known)
        values[key] = _coerce(known[key], hints[key], value)
    try:
        study = function(**values)
    except StudyError:
        raise
    except ValidationError as error:
        raise StudyError(f"study {name}: {explain(error)}.") from error
    except (Exception, SystemExit) as error:  # often the study is the user's own: she mends it, or what she gave it
        where = f" at {line}" if (line := place(error)) else ""
        raise StudyError(f"study {name} stopped{where}: {type(error).__name__}: {error}.") from error
    if not isinstance(study, Study):
        raise StudyError(f"study {name} returned {type(study).__name__}: it must return a hpt_ray.spec.study.Study.")
    update: dict[str, Any] = {"made_from": name, "parameters": values}
    if study.dashboard is not None:
        update["dashboard"] = beside(file("studies", name), study.dashboard)
    return study.model_copy(update=update)


def resolved(study: Study) -> dict[str, Any]:
    """Every parameter of a study by name: as it was given, or the default at its scale."""
    function: Callable[..., Study] = load("studies", study.made_from or study.name)
    known = parameters(function)
    values = {parameter.name: parameter.default for parameter in known} | study.parameters
    scale = values.get("scale")
    defaults = {each.name: each.default for each in known if isinstance(each.default, dict)}
    return {
        name: defaults[name].get(scale) if name in defaults and value in (None, defaults[name]) else value
        for name, value in values.items()
    }


def _coerce(parameter: Parameter, hint: Any, value: Any) -> Any:
    if isinstance(value, str) and value.lower() == "none" and type(None) in _members(hint):
        value = None
    elif isinstance(value, str) and _takes_list(hint):
        value = _separated(value, paths="list of str" in parameter.type)
    if isinstance(value, (list, tuple, str)) and len(value) == 0:
        raise StudyError(f"{parameter.name} is empty; expected {parameter.type}.")
    listed = value if isinstance(value, (list, tuple)) else (value,)
    if "bool" not in parameter.type and any(isinstance(each, bool) for each in listed):  # true would be read as 1
        raise StudyError(f"{parameter.name} is true or false; expected {parameter.type}.")
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        shown = ",".join(map(str, value)) if isinstance(value, list) else value
        raise StudyError(f"{parameter.name}={shown}: {explain(error)}; expected {parameter.type}.") from error


def _separated(text: str, paths: bool) -> list[str]:
    """The values of a list as it is typed, separated by commas; a path with commas in it stays whole if it exists."""
    # "synthetic:shape,n=200" is one data set: a comma before an option separates no values, nor does one in braces,
    # "data/{train,test}-*.parquet".
    parts = re.split(r",(?!\s*\w+=)(?![^{}]*\})", text)
    values = []
    while parts:
        longest = range(min(len(parts), COMMAS + 1) if paths else 1, 1, -1)
        taken = next((number for number in longest if _is_there(",".join(parts[:number]))), 1)
        values.append(",".join(parts[:taken]).strip())
        del parts[:taken]
    return [value for value in values if value]


def _is_there(value: str) -> bool:
    """Whether a value is a path to something, after ``image_folder:`` or ``torchvision:NAME,root=`` if it has these."""
    try:
        return any(path_of(re.sub(before, "", value.strip())).exists() for before in (r"^\w+:", r"^.*,\s*\w+="))
    except StudyError:
        return False


def _hints(function: Callable[..., Study]) -> dict[str, Any]:
    """The types of all keyword arguments, those of ``**settings: Unpack[SomeTypedDict]`` among them."""
    try:
        hints = get_type_hints(function, include_extras=True)
        for name, argument in inspect.signature(function).parameters.items():
            if argument.kind is argument.VAR_KEYWORD and get_origin(hints.get(name)) is typing.Unpack:
                hints |= get_type_hints(get_args(hints.pop(name))[0], include_extras=True)
        return {name: hint for name, hint in hints.items() if name != "return"}
    except (NameError, TypeError, SyntaxError) as error:
        raise StudyError(f"the types of a study's arguments cannot be read: {error}. Import what they name.") from error


def _members(hint: Any) -> tuple[Any, ...]:
    """The types that a value may have, without what else is said of each."""
    bare = _bare(hint)
    return tuple(map(_bare, get_args(bare))) if get_origin(bare) in (typing.Union, types.UnionType) else (bare,)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _takes_list(hint: Any) -> bool:
    return any(get_origin(member) in (list, tuple) for member in _members(hint))


def _spell(hint: Any) -> str:
    """A type as a user would say it: ``int``, ``quick | paper``, ``list of str``."""
    spelled = []
    for member in _members(hint):
        if member is type(None):
            spelled.append("none")
        elif get_origin(member) is typing.Literal:
            spelled.extend(map(str, get_args(member)))
        elif get_origin(member) in (list, tuple):
            spelled.append(f"list of {_spell(get_args(member)[0])}")
        else:
            spelled.append(getattr(member, "__name__", str(member)))
    return " | ".join(spelled)
