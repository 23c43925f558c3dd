"""Product lists: which product's buyers go to which Mailketing lists."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from models import ProductList
from routes import context, wording
from routes.forms import ProductListForm
from routes.guards import admin_required, declare
from services import product_list_service, settings_service
from services.product_list_service import Fields, InvalidField

bp = declare(Blueprint("product_lists", __name__, url_prefix="/product-lists"), admin_required)


@bp.get("")
def index() -> ResponseReturnValue:
    return render_template(
        "product_lists.html",
        listing=product_list_service.listing(),
        default_days=settings_service.number("follow_up_days"),
    )


@bp.route("/new", methods=["GET", "POST"])
def add() -> ResponseReturnValue:
    def save(fields: Fields) -> int:
        return product_list_service.add(fields, context.now())[1]

    return _form_page(ProductListForm(name=request.args.get("name"), product_id=request.args.get("product_id")), save)


@bp.route("/<row:product_list_id>", methods=["GET", "POST"])
def edit(product_list_id: int) -> ResponseReturnValue:
    def save(fields: Fields) -> int:
        return product_list_service.edit(product_list_id, fields, context.now())[1]

    product_list, _ = _find(product_list_id)
    return _form_page(ProductListForm(obj=product_list), save, product_list)


@bp.post("/<row:product_list_id>/switch")
def switch(product_list_id: int) -> ResponseReturnValue:
    active = request.form.get("active") == "1"
    attached = product_list_service.switch(product_list_id, active, context.now())
    _tell_saved(attached)
    return redirect(url_for(".index"))


@bp.route("/<row:product_list_id>/delete", methods=["GET", "POST"])
def delete(product_list_id: int) -> ResponseReturnValue:
    product_list, lead_count = _find(product_list_id)
    if request.method == "GET":
        return render_template("product_list_delete.html", product_list=product_list, lead_count=lead_count)
    product_list_service.delete(product_list_id, context.now())
    flash(gettext("The product list was deleted."), "success")
    return redirect(url_for(".index"))


def _form_page(
    form: ProductListForm, save: Callable[[Fields], int], product_list: ProductList | None = None
) -> ResponseReturnValue:
    if form.validate_on_submit():
        try:
            _tell_saved(save(form.fields()))
            return redirect(url_for(".index"))
        except InvalidField as error:
            form[error.field].errors = [wording.refusal(error)]
    default_days = settings_service.number("follow_up_days")
    return render_template("product_list_form.html", form=form, product_list=product_list, default_days=default_days)


def _tell_saved(attached: int) -> None:
    flash(gettext("Saved."), "success")
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
