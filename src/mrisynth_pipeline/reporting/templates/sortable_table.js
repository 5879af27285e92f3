"use strict";
// Tables whose headings sort: a press sorts the rows by that column, another turns the order round. A cell is compared by
// its data-value, as a number where both are; cells without one come last in either order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const descending = heading.ariaSort === "ascending";
      headings.forEach((other) => { other.ariaSort = "none"; });
      heading.ariaSort = descending ? "descending" : "ascending";
      const value = (row) => row.cells[column].dataset.value ?? "";
      const rows = [...table.tBodies[0].rows].sort((a, b) => compare(value(a), value(b), descending ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const difference = a - b;
  return direction * (Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference);
}
