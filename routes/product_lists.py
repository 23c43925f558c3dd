"""Product lists: which product's buyers go to which Mailketing lists."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext, ngettext

from models import ProductList
from routes import context, wording
from routes.forms import ProductListForm, TrialForm, focus_first_mistake
from routes.guards import admin_required, declare
from services import (
    catalogue_service,
    order_trial,
    product_list_service,
    settings_service,
    setup_service,
    unmapped_queries,
)
from services.catalogue_service import Part
from services.errors import UserError
from services.product_list_service import Fields, InvalidField, Preview
from services.setup_service import Vendor
from services.statuses import LeadStatus

bp = declare(Blueprint("product_lists", __name__, url_prefix="/product-lists"), admin_required)

Save = Callable[[Fields], int]

_NOT_FETCHED = {
    Vendor.SCALEV: lazy_gettext("ScaleV's products can't be fetched without the ScaleV API key: save it in Settings."),
    Vendor.MAILKETING: lazy_gettext(
        "Mailketing's lists can't be fetched without the Mailketing API token: save it in Settings."
    ),
}


@bp.get("")
def index() -> ResponseReturnValue:
    listing = product_list_service.listing()
    return render_template(
        "product_lists.html",
        listing=listing,
        labels={row.id: catalogue_service.label_for(row.product_id) for row, _ in listing},
        lists=catalogue_service.list_names(),
        default_days=settings_service.number("follow_up_days"),
        unmapped=unmapped_queries.unmapped_products(),
    )


@bp.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    def save(fields: Fields) -> int:
        return product_list_service.add(fields, context.now())[1]

    form = ProductListForm(name=request.args.get("name"), product_id=request.args.get("product_id"))
    return _form_page(form, save)


@bp.route("/<row:product_list_id>", methods=["GET", "POST"])
def edit(product_list_id: int) -> ResponseReturnValue:
    def save(fields: Fields) -> int:
        return product_list_service.edit(product_list_id, fields, context.now())[1]

    product_list, _ = _find(product_list_id)
    chosen = [variant.variant_id for variant in product_list.variants]
    return _form_page(ProductListForm(obj=product_list, data={"variant_ids": chosen}), save, product_list)


@bp.get("/variants")
def variants() -> ResponseReturnValue:
    """The variants to tick, when another product is chosen in the form."""
    form = ProductListForm(formdata=None, product=request.args.get("product"))
    return render_template("_variants.html", form=form, variants=catalogue_service.variants_of(form.product.data or ""))


@bp.post("/refresh")
def refresh() -> ResponseReturnValue:
    missing = setup_service.missing_keys()
    for vendor in missing:
        flash(str(_NOT_FETCHED[vendor]), "warning")
    if len(missing) < len(Vendor):
        catalogue_service.ask_for_refresh(context.now())
        flash(gettext("The lists are fetched anew; that takes about a minute. Load the page again then."), "info")
    return redirect(request.referrer if _is_own(request.referrer) else url_for(".index"))


@bp.route("/try", methods=["GET", "POST"])
def trial() -> ResponseReturnValue:
    """Which product list an order would get, and why; changes nothing."""
    form, result, problem = TrialForm(), None, None
    if form.validate_on_submit():
        try:
            result = _try(form)
        except UserError as error:
            problem = wording.refusal(error)
    leads = order_trial.recent_leads()
    return render_template("product_list_trial.html", form=form, leads=leads, result=result, problem=problem)


@bp.post("/<row:product_list_id>/switch")
def switch(product_list_id: int) -> ResponseReturnValue:
    active = request.form.get("active") == "1"
    attached = product_list_service.switch(product_list_id, active, context.now())
    if active:
        flash(gettext("The product list is on: orders of its product get it again."), "success")
    else:
        flash(gettext("The product list is off: new orders no longer get it. Leads that have it keep it."), "success")
    _tell_attached(attached)
    return redirect(url_for(".index"))


@bp.route("/<row:product_list_id>/delete", methods=["GET", "POST"])
def delete(product_list_id: int) -> ResponseReturnValue:
    product_list, lead_count = _find(product_list_id)
    if request.method == "GET":
        return render_template("product_list_delete.html", product_list=product_list, lead_count=lead_count)
    product_list_service.delete(product_list_id, context.now())
    flash(gettext("The product list was deleted."), "success")
    return redirect(url_for(".index"))


def _form_page(form: ProductListForm, save: Save, product_list: ProductList | None = None) -> ResponseReturnValue:
    product_names = {row.scalev_id: row.name for row in catalogue_service.products()}
    if not form.is_submitted():
        form.product.data = catalogue_service.product_number(form.product_id.data or "")
    elif "show_variants" not in request.form and form.validate():
        try:
            return _save_or_ask(form, form.fields(product_names.get(form.product.data or "")), save, product_list)
        except InvalidField as error:
            is_chosen = error.field == "product_id" and form.product.data in product_names
            form["product" if is_chosen else error.field].errors = [wording.refusal(error)]
    focus_first_mistake(form)
    return render_template(
        "product_list_form.html",
        form=form,
        product_list=product_list,
        product_names=product_names,
        variants=catalogue_service.variants_of(form.product.data or ""),
        stores={row.name: row.name for row in catalogue_service.stores()},
        lists=catalogue_service.list_names(),
        ages={part: catalogue_service.age(part) for part in (Part.PRODUCTS, Part.LISTS)},
        default_days=settings_service.number("follow_up_days"),
    )


def _save_or_ask(
    form: ProductListForm, fields: Fields, save: Save, product_list: ProductList | None
) -> ResponseReturnValue:
    """Save, but first show what that does to leads that wait."""
    preview = product_list_service.preview(fields, context.now(), product_list.id if product_list else None)
    if preview.leads and "confirmed" not in request.form:
        return _ask(form, fields, preview)
    attached = save(fields)
    flash(gettext("Saved."), "success")
    _tell_attached(attached)
    if not any(fields.list_id_for(role) for role in LeadStatus):
        flash(gettext("It names no Mailketing list, so nobody is added anywhere."), "warning")
    return redirect(url_for(".index"))


def _ask(form: ProductListForm, fields: Fields, preview: Preview) -> str:
    typed = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    return render_template(
        "product_list_confirm.html",
        form=form,
        fields=fields,
        preview=preview,
        typed=typed,
        lists=catalogue_service.list_names(),
    )


def _try(form: TrialForm) -> order_trial.Trial | None:
    if form.lead.data and form.lead.data.isdigit():
        return order_trial.try_lead(int(form.lead.data))
    return order_trial.try_text(form.order.data) if form.order.data else None


def _is_own(url: str | None) -> bool:
    return bool(url) and str(url).startswith(request.host_url)


def _tell_attached(attached: int) -> None:
    if attached:
        message = ngettext(
            "%(num)d lead that waited for this product list has it now.",
            "%(num)d leads that waited for this product list have it now.",
            attached,
        )
        flash(message, "success")


def _find(product_list_id: int) -> tuple[ProductList, int]:
    for product_list, lead_count in product_list_service.listing():
        if product_list.id == product_list_id:
            return product_list, lead_count
    abort(404)
