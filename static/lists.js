// Lists with boxes to tick, and filters whose empty fields stay out of the address.
(function () {
  "use strict";

  function boxes() {
    return Array.from(document.querySelectorAll(".row-tick"));
  }

  function count() {
    var ticked = boxes().filter(function (box) { return box.checked; }).length;
    var sign = document.querySelector("[data-ticked]");
    var all = document.querySelector("[data-ticks-all]");
    if (sign && all) {
      sign.textContent = ticked;
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && !all.checked;
    }
  }

  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-ticks-all]")) {
      boxes().forEach(function (box) { box.checked = event.target.checked; });
    }
    count();
  });

  document.addEventListener("htmx:afterSettle", count);

  document.addEventListener("htmx:configRequest", function (event) {
    if (event.target.matches("[data-drops-empty]")) {
      Object.keys(event.detail.parameters).forEach(function (name) {
        if (event.detail.parameters[name] === "") {
          delete event.detail.parameters[name];
        }
      });
    }
  });

  count();  // a browser that comes back to a page keeps its ticks
})();
