"""Workbooks for tests, written as the format's own XML: no writer is installed."""

from __future__ import annotations

import io
import zipfile

SHEET = """<?xml version="1.0"?><worksheet
xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData>
</worksheet>"""


def workbook(*sheets: list[list[str | float]]) -> bytes:
    """Write the smallest workbook that spreadsheet programs open."""
    main = "http://schemas.openxmlformats.org"
    rel = f"{main}/officeDocument/2006/relationships"
    names = [f"sheet{i}" for i in range(1, 1 + len(sheets))]
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{main}/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship '
        f'Id="r1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{rel}">'
        "<sheets>"
        + "".join(
            f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(names, start=1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{main}/package/2006/relationships">'
        + "".join(
            f'<Relationship Id="r{i}" Type="{rel}/worksheet" Target="worksheets/{n}.xml"/>'
            for i, n in enumerate(names, start=1)
        )
        + "</Relationships>",
    }
    for name, sheet in zip(names, sheets, strict=True):
        rows = ""
        for r, row in enumerate(sheet, start=1):
            cells = (
                f'<c r="{chr(65 + c)}{r}" t="inlineStr"><is><t>{v}</t></is></c>'
                if isinstance(v, str)
                else f'<c r="{chr(65 + c)}{r}"><v>{v}</v></c>'
                for c, v in enumerate(row)
            )
            rows += f'<row r="{r}">{"".join(cells)}</row>'
        parts[f"xl/worksheets/{name}.xml"] = SHEET.format(rows=rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return buffer.getvalue()
