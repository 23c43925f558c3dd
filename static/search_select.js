// Makes drop-downs searchable; without it they are plain ones.
(function () {
  "use strict";
  document.querySelectorAll("select[data-search]").forEach(function (select) {
    new window.TomSelect(select, { allowEmptyOption: true, maxOptions: null, searchField: ["text"] });
  });
})();
