const boards = [...document.querySelectorAll(".board:has(.ranking)")].map((section) => new Board(section));

const save = () => {
  const pairs = boards.flatMap((board) => board.pairs.map(([key, value]) => [`${board.name}.${key}`, value]));
  const hash = pairs.length ? `#${new URLSearchParams(pairs)}` : location.pathname + location.search;
  history.replaceState(null, "", hash);
};
const restore = () => {
  const hash = location.hash.slice(1);
  if (!hash.includes("=")) {
    for (const board of boards) {
      const row = board.rows.find((each) => each.id === hash);
      if (!row) continue;
      board.open(row, true);
      row.line.scrollIntoView();
    }
    return;
  }
  const pairs = [...new URLSearchParams(hash)];
  const named = boards.map((board) => {
    const own = pairs.filter(([key]) => key.startsWith(`${board.name}.`));
    board.restore(own.map(([key, value]) => [key.slice(board.name.length + 1), value]));
    return own.length > 0;
  });
  if (named.indexOf(true) > 0) boards[named.indexOf(true)].section.scrollIntoView();
};
for (const board of boards) board.show();
restore();
addEventListener("hashchange", restore);
