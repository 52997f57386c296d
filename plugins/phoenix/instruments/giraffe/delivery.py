"""The files of one conversion: each ancillary file written once, whatever number of spectra names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from phoenix.idp.ancillary import Content, describe, papers, write_idp
from phoenix.idp.job import ConversionJob
from phoenix.idp.sdp import Ancillary
from phoenix.instruments.giraffe.companions import companions
from phoenix.instruments.giraffe.reduced import ReducedExposure, pipeline_of
from phoenix.model.product import Idp

#: Encodes a spectrum under a category, with the ancillary files it names.
Encode = Callable[[str, Sequence[Ancillary]], bytes]


@dataclass(frozen=True)
class _Written:
    idp: Idp
    described: Ancillary
    heads: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Delivery:
    """Writes the files of a job and knows which goes with which."""

    job: ConversionJob
    _science: list[Idp] = field(default_factory=list)
    _ancillary: dict[str, _Written] = field(default_factory=dict)
    _companions: dict[str, list[str]] = field(default_factory=dict)

    def add_science(self, name: str, encode: Encode, title: str, ancillaries: Iterable[str]) -> None:
        """Write a science product that names these ancillary files."""
        written = [self._ancillary[each] for each in dict.fromkeys(ancillaries)]
        content = encode("SCIENCE.SPECTRUM", [each.described for each in written])
        self._science.append(write_idp(self.job.folder, name, "SCIENCE.SPECTRUM", content, title=title))
        for each in written:
            each.heads.append(name)

    def add_single(self, exposure: ReducedExposure, fps: int) -> str:
        """Write the spectrum of a single exposure as ancillary file; return its name."""
        single = exposure.single(fps)
        return self._write((single.name, "ANCILLARY.SPECTRUM", single.encode("ANCILLARY.SPECTRUM", [])))

    def companions(self, exposure: ReducedExposure) -> list[str]:
        """Return the names of the ancillary files all fibres of an exposure share, written once."""
        key = exposure.exposure.arcfile
        if key not in self._companions:
            first = next(iter(exposure.fibres.values()))
            contents = companions(exposure.job, exposure.exposure, pipeline_of(exposure.job, first.primary))
            self._companions[key] = [self._write(content) for content in contents]
        return self._companions[key]

    def papers(self, stem: str) -> list[str]:
        """Return the names of the pictures and the text of a stack, written once."""
        if stem not in self._companions:
            self._companions[stem] = [self._write(content) for content in papers(self.job, stem)]
        return self._companions[stem]

    def files(self) -> list[Idp]:
        """Return all files, science products first."""
        ancillary = [
            replace(each.idp, parent=each.heads[0], shared_with=tuple(each.heads[1:]))
            for each in self._ancillary.values()
        ]
        return [*self._science, *ancillary]

    def _write(self, content: Content) -> str:
        name, category, data = content
        idp = write_idp(self.job.folder, name, category, data)
        self._ancillary[name] = _Written(idp, describe(idp, data))
        return name
