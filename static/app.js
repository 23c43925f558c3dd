// What only makes pages smoother; every action works without it.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function chooseTheme() {
    root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  }

  function textToCopy(button) {
    if (button.dataset.copyText) {
      return button.dataset.copyText;
    }
    var field = document.getElementById(button.dataset.copy);
    field.select();
    return field.value;
  }

  function copy(button) {
    navigator.clipboard.writeText(textToCopy(button)).then(function () {
      button.setAttribute("aria-label", button.dataset.done);
      button.classList.add("btn-success");
    });
  }

  chooseTheme();
  dark.addEventListener("change", chooseTheme);
  root.classList.add("has-js");

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy], [data-copy-text]");
    if (button) {
      copy(button);
    }
    // A tap beside the phone's sheet closes it.
    document.querySelectorAll("details.bottom-more[open]").forEach(function (sheet) {
      if (!sheet.contains(event.target)) {
        sheet.removeAttribute("open");
      }
    });
  });
})();
