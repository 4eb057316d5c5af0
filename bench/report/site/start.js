for (const made of document.querySelectorAll("table.sortable")) sortable(made);
