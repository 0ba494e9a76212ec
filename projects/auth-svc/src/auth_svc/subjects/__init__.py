"""Subjects: the `sub` that a client knows a person by.

Most clients are told the user id. Clients with `subject_type` `pairwise` get another one in each sector, so that two of
them cannot put together what they know (OIDC Core section 8.1). Inside the house a person is the user id, always:
`Subjects.shown_to` on the way out, `Subjects.person` on the way in.
"""

from auth_svc.subjects.identifiers import Email, IssSub, Opaque
from auth_svc.subjects.pairwise import Subjects, could_be_pairwise
from auth_svc.subjects.store import pairwise_of, user_of

__all__ = ["Email", "IssSub", "Opaque", "Subjects", "could_be_pairwise", "pairwise_of", "user_of"]
