// Makes drop-downs searchable; without it they are plain ones.
(function () {
  "use strict";

  // The choice gives way to what is typed over it (app.css); `update` is Tom Select's own emptying of the field.
  function hideChoiceWhileTyping(list) {
    function mark() {
      list.wrapper.classList.toggle("is-typing", list.control_input.value !== "");
    }
    list.control_input.addEventListener("input", mark);
    list.control_input.addEventListener("update", mark);
  }

  document.querySelectorAll("select[data-search]").forEach(function (select) {
    var list = new window.TomSelect(select, {
      allowEmptyOption: true,
      maxOptions: null,
      searchField: ["text"],
      refreshThrottle: 0, // so that Enter takes what was just typed, however fast
      render: {
        no_results: function (data, escape) {
          return '<div class="no-results">' + escape(select.dataset.noResults) + "</div>";
        }
      }
    });
    hideChoiceWhileTyping(list);
  });
})();
