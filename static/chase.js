// A card of the queue whose WhatsApp button was pressed tells so: it is fetched anew, unless somebody is writing in it.
(function () {
  "use strict";
  var LOGGED_AFTER_MS = 1500;

  document.addEventListener("submit", function (event) {
    var card = event.target.closest("article.chase");
    if (!card || !event.target.classList.contains("chat-form")) {
      return;
    }
    setTimeout(function () {
      if (card.isConnected && !card.querySelector("details[open]")) {
        window.htmx.trigger(card, "chased");
      }
    }, LOGGED_AFTER_MS);
  });
})();
