"""A client that fetches pages and fills in forms as a person does, and checks every page it gets."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

_UNLABELLED = {"hidden", "submit", "button"}


@dataclass
class Form:
    """A form with the values that it would send untouched."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """A page as fetched, and what was found in it."""

    status: int
    html: str
    location: str = ""
    url: str = ""
    title: str = ""
    text: str = ""
    headings: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def form(self, action: str) -> Form:
        """The POST form with this address."""
        found = [form for form in self.forms if form.method == "post" and (form.action or self.url) == action]
        assert found, f"{self.url} has no form for {action}, only {[form.action for form in self.forms]}"
        return found[0]


class PageClient:
    """Fetches pages by GET and sends the forms that are on them, with the CSRF token that is really there."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def log_in(self, email: str, password: str) -> Page:
        return self.send("/login", "/login", status=302, email=email, password=password)

    def get(self, url: str, status: int = 200, **headers: str) -> Page:
        return self._read(self.client.get(url, headers=headers), url, status)

    def send(self, page_url: str, action: str, status: int = 302, **values: object) -> Page:
        """Open a page, fill in one of its forms and send it; an answer that redirects is not followed."""
        form = self.get(page_url).form(action)
        filled = {**form.values, **{name: str(value) for name, value in values.items()}}
        return self._read(self.client.post(action, data=filled), action, status)

    def send_and_follow(self, page_url: str, action: str, **values: object) -> Page:
        return self.get(self.send(page_url, action, **values).location)

    def _read(self, response: TestResponse, url: str, status: int) -> Page:
        html = response.get_data(as_text=True)
        assert response.status_code == status, f"{url} answered {response.status_code}: {html[:2000]}"
        page = Page(response.status_code, html, response.headers.get("Location", ""), url)
        if not page.location:
            reader = _Reader(page)
            reader.feed(html)
            reader.check()
        return page


class _Reader(HTMLParser):
    """Collects what a page holds, and what every page must get right."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.fields: list[dict[str, str]] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self._look_for_inline_code(tag, values)
        handler = getattr(self, f"_start_{tag}", None)
        if handler:
            handler(values)
        if tag in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        where = self._open[-1] if self._open else ""
        if where == "title":
            self.page.title += data
        elif where == "textarea" and self.page.forms and self.fields:
            self.page.forms[-1].values[self.fields[-1]["name"]] = data.strip("\r\n")
        if "h1" in self._open:
            self.page.headings[-1] += data
        if where not in {"script", "style", "title"}:
            self.page.text += f"{data.strip()} " if data.strip() else ""

    def check(self) -> None:
        problems = list(self.problems)
        problems += [f"{len(self.page.headings)} h1"] if len(self.page.headings) != 1 else []
        problems += [] if self.page.title.strip() else ["no title"]
        problems += [f"id {name} twice" for name, count in Counter(self.ids).items() if count > 1]
        problems += [f"label for nothing: {name}" for name in self.labels - set(self.ids)]
        problems += [f"no label: {found}" for found in self.fields if not self._is_labelled(found)]
        problems += [
            f"no CSRF field in the form for {form.action}"
            for form in self.page.forms
            if form.method == "post" and not form.values.get("csrf_token")
        ]
        assert not problems, f"{self.page.url}: {problems}"

    def _look_for_inline_code(self, tag: str, values: dict[str, str]) -> None:
        if tag == "style" or "style" in values or (tag == "script" and "src" not in values):
            self.problems.append(f"inline code in <{tag}>")
        self.problems += [f"inline handler {name}" for name in values if name.startswith("on")]

    def _is_labelled(self, found: dict[str, str]) -> bool:
        return found.get("type") in _UNLABELLED or "aria-label" in found or found.get("id") in self.labels

    def _start_h1(self, _: dict[str, str]) -> None:
        self.page.headings.append("")

    def _start_a(self, values: dict[str, str]) -> None:
        self.page.links.append(values.get("href", ""))

    def _start_label(self, values: dict[str, str]) -> None:
        self.labels.add(values.get("for", ""))

    def _start_form(self, values: dict[str, str]) -> None:
        self.page.forms.append(Form(values.get("method", "get").lower(), values.get("action", "")))

    def _start_input(self, values: dict[str, str]) -> None:
        self.fields.append(values)
        if "form" in self._open and values.get("name"):
            self.page.forms[-1].values[values["name"]] = values.get("value", "")

    def _start_textarea(self, values: dict[str, str]) -> None:
        self.fields.append(values)

    def _start_select(self, values: dict[str, str]) -> None:
        self.fields.append(values)
        self._select = values.get("name")

    def _start_option(self, values: dict[str, str]) -> None:
        if self._select and "select" in self._open:
            chosen = self.page.forms[-1].values
            if "selected" in values or self._select not in chosen:
                chosen[self._select] = values.get("value", "")


_VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
    "path",
    "rect",
}
