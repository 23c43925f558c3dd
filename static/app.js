// What only makes pages smoother; every action works without it.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var REFRESH_MS = 15000;

  // Follows the system unless the person chose one, which the server has then put there.
  function chooseTheme() {
    if (root.dataset.chosenTheme) {
      return;
    }
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

  function isTyping(element) {
    return element.closest("input, textarea, select, [contenteditable], .ts-wrapper") !== null;
  }

  // --- Keys: / search, j k the next or previous row, Enter opens it, w WhatsApp, ? help ---

  function rows() {
    return Array.from(document.querySelectorAll("[data-row]"));
  }

  function moveBy(step) {
    var all = rows();
    var at = all.findIndex(function (row) { return row.classList.contains("chosen-row"); });
    var next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    if (!next) {
      return;
    }
    all.forEach(function (row) { row.classList.toggle("chosen-row", row === next); });
    next.querySelector("a, button").focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function openChat() {
    var row = document.querySelector(".chosen-row") || document;
    var chat = row.querySelector(".btn-whatsapp");
    if (chat) {
      chat.click();
    }
  }

  var keys = {
    "/": function () {
      var search = document.querySelector("input[type=search]");
      if (search) {
        search.focus();
      } else {
        window.location.assign(document.body.dataset.searchUrl);
      }
    },
    j: function () { moveBy(1); },
    k: function () { moveBy(-1); },
    w: openChat,
    "?": function () { document.getElementById("keys").showModal(); }
  };

  document.addEventListener("keydown", function (event) {
    var act = keys[event.key];
    var isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (act && isPlain && !isTyping(event.target) && document.getElementById("keys") && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      act();
    }
  });

  // --- Tabs that a phone has no room for: the chosen one is to be seen ---

  function showChosenTabs() {
    document.querySelectorAll(".list-tab.active").forEach(function (tab) {
      var row = tab.parentElement;
      var middle = tab.getBoundingClientRect().left - row.getBoundingClientRect().left + tab.offsetWidth / 2;
      row.scrollLeft += middle - row.clientWidth / 2;
    });
  }

  document.addEventListener("DOMContentLoaded", showChosenTabs);
  document.addEventListener("htmx:afterSettle", showChosenTabs);

  // --- What refreshes by itself, while somebody looks and does nothing in it ---

  var refreshed = Date.now();

  function refresh() {
    var live = document.getElementById("live");
    var isDue = Date.now() - refreshed >= REFRESH_MS;
    if (isDue && live && window.htmx && document.visibilityState === "visible" && !live.contains(document.activeElement)) {
      refreshed = Date.now();
      window.htmx.trigger(document.body, "live");
    }
  }

  window.setInterval(refresh, REFRESH_MS / 15);
  document.addEventListener("visibilitychange", refresh);

  chooseTheme();
  dark.addEventListener("change", chooseTheme);
  root.classList.add("has-js");

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy], [data-copy-text]");
    if (button) {
      copy(button);
    }
    if (event.target.closest("[data-closes-alert]")) {
      event.target.closest(".alert").remove();
    }
    if (event.target.closest("[data-opens]")) {
      document.getElementById(event.target.closest("[data-opens]").dataset.opens).showModal();
    }
    // A tap beside the phone's sheet or the dashboard's range closes it.
    document.querySelectorAll("details.bottom-more[open], details.own-range[open]").forEach(function (sheet) {
      if (!sheet.contains(event.target)) {
        sheet.removeAttribute("open");
      }
    });
  });
})();
