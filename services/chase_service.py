"""The only writer of `Lead.chase_at`: when a person is to chase the buyer next. Called by whoever changes a lead."""

from models import Lead
from services import chase_plan
from services.chase_plan import Chase
from services.lead_rules import COD_UNDER_WAY
from services.statuses import LeadStatus


def plan_chase(lead: Lead) -> None:
    """Set when the buyer is to be chased next: only leads in follow up are, and none whose COD parcel is on its way,
    because its buyer pays at the door. Runs in the caller's transaction."""
    is_open = lead.status is LeadStatus.FOLLOW_UP and lead.archived_at is None
    pays_at_door = lead.payment_method == "cod" and lead.order_status in COD_UNDER_WAY
    lead.chase_at = chase_plan.next_chase(chase_of(lead)) if is_open and not pays_at_door else None


def chase_of(lead: Lead) -> Chase:
    """Return what chase_plan needs to know of a lead."""
    return Chase(lead.follow_up_start, lead.due_at, lead.chased_at, lead.chased_step, lead.snoozed_until)
