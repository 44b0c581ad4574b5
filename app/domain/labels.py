"""The names of vocabularies that appear in files and documents too, not only on pages (msgids)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.domain.messages import N_
from app.domain.terms import AdministrativeLevel, ApplicantKind, IdentityDocument, UnitKind

UNIT_KIND_LABELS: Final[Mapping[UnitKind, str]] = {
    UnitKind.HRSS: N_("HRSS department"),
    UnitKind.COMPETENT_DEPARTMENT: N_("Competent department"),
    UnitKind.EMPLOYER: N_("Enterprise or public institution"),
    UnitKind.NON_PUBLIC: N_("Non-public organization"),
    UnitKind.DESIGNATED_AGENCY: N_("Designated agency"),
}
LEVEL_LABELS: Final[Mapping[AdministrativeLevel, str]] = {
    AdministrativeLevel.PROVINCE: N_("Province"),
    AdministrativeLevel.PREFECTURE: N_("Prefecture"),
    AdministrativeLevel.COUNTY: N_("County"),
}
DOCUMENT_LABELS: Final[Mapping[IdentityDocument, str]] = {
    IdentityDocument.RESIDENT_ID: N_("Resident ID card"),
    IdentityDocument.HMT_RESIDENCE_PERMIT: N_(
        "Residence permit of Hong Kong, Macao and Taiwan residents"
    ),
    IdentityDocument.PERMANENT_RESIDENT_ID: N_("Permanent resident card of foreigners"),
    IdentityDocument.PASSPORT: N_("Passport"),
    IdentityDocument.TRAVEL_PERMIT: N_("Mainland travel permit"),
}
APPLICANT_KIND_LABELS: Final[Mapping[ApplicantKind, str]] = {
    ApplicantKind.EMPLOYEE: N_("Employee of the unit"),
    ApplicantKind.FREELANCER: N_("Freelancer"),
    ApplicantKind.SOLE_PROPRIETOR: N_("Sole proprietor"),
}
