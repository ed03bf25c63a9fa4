"""Whether a knob of a server is of use in a container as it stands."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tuner.manifests.servers import flags
from tuner.manifests.servers.model import Hardware, ServerKnob
from tuner.manifests.servers.recognition import Recognised
from tuner.space.model import Choices


def of_use(knob: ServerKnob, found: Recognised, hardware: Hardware) -> bool:
    """Under its conditions only; where the manifest sets it already, under all but `unless`. Never where the hardware
    leaves it one value."""
    domain = knob.over(hardware)
    if isinstance(domain, Choices) and len(domain.values) == 1:
        return False
    if any(_is_there(sign, found) for sign in knob.unless):
        return False
    if any(_is_there(target.partition("/")[2], found) for target in knob.targets):
        return True
    if knob.only_set:
        return False
    if knob.gpu is not None and hardware.gpus is not None and knob.gpu != (hardware.gpus > 0):
        return False
    return not knob.needs or any(_is_there(sign, found) for sign in knob.needs)


def _is_there(sign: str, found: Recognised) -> bool:
    """`sign` as in `ServerKnob.needs`."""
    name, equals, wanted = sign.partition("=")
    if name.startswith("-"):
        return any(not equals or fnmatchcase(given, wanted) for given in flags.values(found.words, name))
    if not equals:
        return name in found.launch.variables
    return fnmatchcase(found.launch.env.get(name, ""), wanted)
