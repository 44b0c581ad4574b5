"""What the audit log and the job log call actions, objects and jobs, in the user's language."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext

from app.domain.messages import N_

ACTIONS: Mapping[str, str] = {
    "activate_account": N_("Account activated"),
    "activate_unit": N_("Unit activated"),
    "add_expert": N_("Review expert added"),
    "add_option": N_("Option added"),
    "add_to_pool": N_("Expert put into the pool"),
    "adopt_proposal": N_("Collection form adopted"),
    "announce_meeting": N_("Result of the meeting announced"),
    "answer_invitation": N_("Invitation answered"),
    "approve_extension": N_("Extension approved"),
    "approve_filing": N_("Authority filing approved"),
    "ask_extension": N_("Extension entered"),
    "ask_import": N_("File of accounts uploaded"),
    "ask_transfer": N_("Transfer asked for"),
    "ask_unit_move": N_("Move of a unit asked for"),
    "ask_withdrawal": N_("Withdrawal asked for"),
    "attach_account": N_("Person without a unit taken up"),
    "cancel_job": N_("Background job cancelled"),
    "cancel_scheduled_publicity": N_("Scheduled publicity cancelled"),
    "change_applicant_kind": N_("Kind of applicant changed"),
    "change_choice": N_("Choice of the application changed"),
    "change_option": N_("Option changed"),
    "change_parameter": N_("Parameter changed"),
    "change_password": N_("Password changed"),
    "change_roles": N_("Roles changed"),
    "change_unit": N_("Unit changed"),
    "close_ballot": N_("Ballot closed"),
    "close_meeting": N_("Close the meeting"),
    "confirm_import": N_("Import confirmed"),
    "confirm_results": N_("Results confirmed"),
    "convene_meeting": N_("Meeting convened"),
    "copy_plan": N_("Evaluation plan copied"),
    "create_account": N_("Create an account"),
    "create_meeting": N_("Meeting planned"),
    "create_unit": N_("Create a unit"),
    "deactivate_unit": N_("Unit deactivated"),
    "decide_objection": N_("Objection decided"),
    "decide_re_examination": N_("Re-examination answered"),
    "decide_transfer": N_("Transfer decided"),
    "decide_withdrawal": N_("Withdrawal decided"),
    "disable_account": N_("Account locked"),
    "draw_panel": N_("Draw the experts"),
    "edit_plan_line": N_("Plan line changed"),
    "enable_account": N_("Account unlocked"),
    "end_affiliation": N_("Personnel affiliation ended"),
    "end_other_sessions": N_("Other sign-ins ended"),
    "end_session": N_("A sign-in ended"),
    "enrol_totp": N_("Authenticator set up"),
    "end_term": N_("Term of an expert ended"),
    "enter_own_code": N_("Own code of a unit entered"),
    "excuse_late_call": N_("Ground for a late call entered"),
    "export_accounts": N_("Accounts exported"),
    "export_audit": N_("Audit entries exported"),
    "extend_publicity": N_("Publicity lengthened"),
    "file_authority": N_("Review authority filed"),
    "file_result": N_("Results filed"),
    "finish_import": N_("Import finished"),
    "grant_exemption": N_("Exemption recorded"),
    "import_legacy_unit": N_("Unit of 2021 imported"),
    "invite_experts": N_("Experts invited"),
    "lock_opinion": N_("Opinion locked"),
    "move_account": N_("Account moved to another unit"),
    "move_up_reserve": N_("Reserve moved up"),
    "object_transfer": N_("Objection to a transfer"),
    "open_ballot": N_("Ballot opened"),
    "open_meeting": N_("Meeting opened"),
    "open_proposal": N_("Collection form opened for this year"),
    "order_recusal": N_("Recusal ordered"),
    "pledge": N_("Discipline pledge signed"),
    "publish_call": N_("Call for applications published"),
    "publish_plan": N_("Evaluation plan published"),
    "put_off_proposal": N_("Collection form put off to the next year"),
    "put_on_list": N_("Put on the meeting's list"),
    "recuse": N_("Recusal by the expert"),
    "release_transfer": N_("Person released for a transfer"),
    "remove_from_pool": N_("Expert taken out of the pool"),
    "remove_requirement": N_("Material requirement removed"),
    "renew_term": N_("Term of an expert renewed"),
    "report_proposal": N_("Collection form reported"),
    "reschedule_meeting": N_("Meeting moved"),
    "reschedule_plan_line": N_("Plan line rescheduled"),
    "remove_totp": N_("Authenticator removed"),
    "reset_own_password": N_("Forgotten password replaced by an SMS code"),
    "reset_password": N_("New activation code created"),
    "return_authority_filing": N_("Authority filing returned"),
    "return_filing": N_("Result filing returned"),
    "return_proposal": N_("Collection form returned"),
    "reveal_identity": N_("Full document number looked at"),
    "reveal_phone": N_("Full telephone number looked at"),
    "revoke_certificate": N_("Revoke the certificate"),
    "save_call": N_("Call for applications saved"),
    "save_committee": N_("Review committee saved"),
    "save_filing": N_("Authority filing saved"),
    "save_holiday_year": N_("Working-day calendar saved"),
    "save_proposal": N_("Collection form saved"),
    "save_requirement": N_("Material requirement saved"),
    "save_specialty": N_("Specialty saved"),
    "save_specialty_group": N_("Specialty group saved"),
    "schedule_publicity": N_("Publicity scheduled"),
    "send_sms_code": N_("SMS code sent"),
    "set_category_series": N_("Series of a category chosen"),
    "set_self_reviewing": N_("Self-reviewing unit named or no longer"),
    "settle_transfer": N_("Time of a transfer request over"),
    "sign_in": N_("Sign in"),
    "sign_in_locked": N_("Sign-in locked after wrong tries"),
    "sign_in_meeting": N_("Signed in to the meeting"),
    "consent_unit_move": N_("Consent to the move of a unit"),
    "expire_unit_move": N_("Move of a unit expired"),
    "move_unit": N_("Unit moved"),
    "refuse_unit_move": N_("Move of a unit refused"),
    "withdraw_unit_move": N_("Move of a unit taken back"),
    "change_registrar_proof": N_("Proof of the registrar replaced"),
    "take_up_transfer": N_("Wish to change units taken up"),
    "take_off_list": N_("Taken off the meeting's list"),
    "turn_down_transfer": N_("Wish to change units turned down"),
    "use_recovery_code": N_("Recovery code used"),
    "upload_on_site_proof": N_("Proof of the posting uploaded"),
    "take_activation_codes": N_("Hand-out sheet taken"),
    "withdraw_transfer": N_("Transfer request taken back"),
    "witness_draw": N_("Draw witnessed"),
}
"""Every action a service records; a test compares."""

OBJECTS: Mapping[str, str] = {
    "Account": N_("Account"),
    "Application": N_("Application"),
    "AuditEntry": N_("Audit entry"),
    "AuditLink": N_("Link of the audit log's chain"),
    "AuthorityFiling": N_("Authority filing"),
    "BackgroundJob": N_("Background job"),
    "CallForApplications": N_("Call for applications"),
    "Committee": N_("Review committee"),
    "Dictionary": N_("Dictionary"),
    "DictionaryEntry": N_("Option of a dictionary"),
    "EvaluationPlan": N_("Evaluation plan"),
    "Expert": N_("Review expert"),
    "ExpertPoolMember": N_("Expert pool"),
    "ExpertReview": N_("Expert opinion"),
    "HolidayYear": N_("Working-day calendar"),
    "MaterialRequirement": N_("Material requirement"),
    "MeetingItem": N_("Application on a meeting's list"),
    "MilestoneExtension": N_("Extension of a deadline"),
    "Objection": N_("Objection"),
    "PanelMember": N_("Expert on a panel"),
    "PersonTransfer": N_("Transfer request"),
    "Parameter": N_("Parameter"),
    "Person": N_("Person"),
    "PlanCategory": N_("Category of the plan"),
    "PlanLine": N_("Plan line"),
    "Publicity": N_("Publicity"),
    "ReExamination": N_("Re-examination"),
    "ReasonCode": N_("Reason code"),
    "Recusal": N_("Recusal"),
    "ResultFiling": N_("Result filing"),
    "ReviewMeeting": N_("Review meeting"),
    "Specialty": N_("Specialty"),
    "SpecialtyGroup": N_("Specialty group"),
    "SpecialtyProposal": N_("Specialty collection form"),
    "TitleCertificate": N_("Title certificate"),
    "Unit": N_("Unit"),
    "UnitMove": N_("Move of a unit"),
    "WithdrawalRequest": N_("Withdrawal request"),
}
"""The tables whose rows are written about."""

JOBS: Mapping[str, str] = {
    "publicity_opening": N_("Open scheduled publicities"),
    "publicity_expiry": N_("Close publicities whose period has ended"),
    "auto_forward": N_("Forward what may go on by itself"),
    "node_due": N_("Note nodes that are overdue"),
    "correction_due": N_("End corrections that are overdue"),
    "receipt_deadline": N_("End what missed the receipt deadline"),
    "window_close": N_("End drafts of a closed window"),
    "transfers": N_("Pass on transfer requests without an answer"),
    "unit_moves": N_("End requests to move a unit without an answer"),
    "outbox": N_("Deliver notifications"),
    "reminders": N_("Send reminders"),
    "milestones": N_("Watch the milestones of the committees"),
    "background": N_("Look after the background jobs"),
    "audit_head": N_("Sign the head of the audit log"),
}
"""The periodic jobs of app/jobs."""


def name_action(action: str) -> str:
    """What was done."""
    return _name(ACTIONS, action)


def name_object(object_type: str) -> str:
    """What it was done to."""
    return _name(OBJECTS, object_type)


def name_job(job: str) -> str:
    """Which job ran."""
    return _name(JOBS, job)


def choices_of(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """(word on file, name) pairs for a filter, in the order of the names."""
    return sorted(((word, str(gettext(name))) for word, name in names.items()), key=lambda p: p[1])


def _name(names: Mapping[str, str], word: str) -> str:
    return str(gettext(names[word])) if word in names else word
