"""Page plumbing: templates, the headers of every page, cookies, forms with their CSRF tokens, and signed values.

pages   what leaves: HTML with its security headers, cookies, error pages
forms   what comes in: bodies and queries of strangers, read with limits
sources what the content security policy of a page lets through
seal    values that travel through a browser and come back unchanged
"""

from auth_svc.web.forms import Fields, PageProblem, parse_fields, read_fields
from auth_svc.web.pages import SESSION, Pages, UnderPath, install
from auth_svc.web.seal import Seal, SealBrokenError
from auth_svc.web.sources import csp_source

__all__ = [
    "SESSION",
    "Fields",
    "PageProblem",
    "Pages",
    "Seal",
    "SealBrokenError",
    "UnderPath",
    "csp_source",
    "install",
    "parse_fields",
    "read_fields",
]
