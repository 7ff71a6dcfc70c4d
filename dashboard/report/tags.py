"""A canvas that writes tagged PDF: headings, paragraphs and figures in reading order.

ReportLab writes none of this; the structure follows ISO 32000-1, section 14.7. It is no claim of
PDF/UA: there are no table or list elements and no PDF/UA metadata.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from reportlab.pdfbase.pdfdoc import (
    PDFArray,
    PDFDictionary,
    PDFName,
    PDFObjectReference,
    PDFString,
)
from reportlab.pdfgen.canvas import Canvas

from dashboard.report.fonts import REGULAR, register


@dataclass(frozen=True, slots=True)
class _Element:
    kind: str
    page: int
    alt: str | None


class TaggedCanvas(Canvas):  # type: ignore[misc]  # ReportLab has no types
    """A canvas whose content is wrapped in `tagged` or `artifact`.

    The same calls with the same date give the same bytes.

    Parameters
    ----------
    file : binary file
    page : (width, height) in points
    title, author, subject : str
    created : date
        Stands in the document's properties.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        page: tuple[float, float],
        title: str,
        author: str,
        subject: str,
        created: dt.date,
    ) -> None:
        register()
        super().__init__(
            file,
            pagesize=page,
            invariant=1,
            lang="en-GB",
            pdfVersion=(1, 7),
            pageCompression=1,
            initialFontName=REGULAR,  # else an unembedded one is named on every page
        )
        self._elements: list[_Element] = []
        self._pages: list[PDFObjectReference] = []
        self._on_page = 0
        self._doc._timeStamp.YMDhms = (created.year, created.month, created.day, 0, 0, 0)
        self.setTitle(title)
        self.setAuthor(author)
        self.setSubject(subject)
        self.setCreator("camlif")
        self.setViewerPreference("DisplayDocTitle", "true")

    @contextmanager
    def tagged(self, kind: str, *, alt: str | None = None) -> Iterator[None]:
        """Draw one structure element, such as ``H1``, ``P`` or ``Figure`` with its text."""
        place, self._on_page = self._on_page, self._on_page + 1
        self._elements.append(_Element(kind, len(self._pages), alt))
        self.addLiteral(f"/{kind} <</MCID {place}>> BDC")
        yield
        self.addLiteral("EMC")

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """Draw what carries no content: rules and backgrounds."""
        self.addLiteral("/Artifact BMC")
        yield
        self.addLiteral("EMC")

    def showPage(self) -> None:  # noqa: N802  # ReportLab's name
        """End the page."""
        self._pages.append(self._doc.thisPageRef())
        self._on_page = 0
        super().showPage()
        page = self._doc.Pages.pages[-1]
        page.__NoDefault__ = [*page.__NoDefault__, "StructParents", "Tabs"]
        page.StructParents, page.Tabs = len(self._pages) - 1, PDFName("S")

    def save(self) -> None:
        """Write the file; every page must have been ended."""
        self._write_structure()
        super().save()

    def _write_structure(self) -> None:
        document = self._doc
        root, body = PDFObjectReference("structure"), PDFObjectReference("document")
        by_page: list[list[Any]] = [[] for _ in self._pages]
        elements = []
        for element in self._elements:
            entry = {
                "Type": PDFName("StructElem"),
                "S": PDFName(element.kind),
                "P": body,
                "Pg": self._pages[element.page],
                "K": len(by_page[element.page]),
            }
            if element.alt is not None:
                entry["Alt"] = PDFString(element.alt)
            reference = document.Reference(PDFDictionary(entry))
            by_page[element.page].append(reference)
            elements.append(reference)
        parents = [part for page, refs in enumerate(by_page) for part in (page, PDFArray(refs))]
        document.Reference(
            PDFDictionary(
                {
                    "Type": PDFName("StructElem"),
                    "S": PDFName("Document"),
                    "P": root,
                    "K": PDFArray(elements),
                }
            ),
            "document",
        )
        tree = PDFDictionary(
            {
                "Type": PDFName("StructTreeRoot"),
                "K": body,
                "ParentTree": document.Reference(PDFDictionary({"Nums": PDFArray(parents)})),
                "ParentTreeNextKey": len(self._pages),
            }
        )
        document.Catalog.StructTreeRoot = document.Reference(tree, "structure")
        document.Catalog.MarkInfo = PDFDictionary({"Marked": "true"})
