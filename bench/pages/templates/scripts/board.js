// What a reader does with a leaderboard: sort, filter, open, take along, cite. All that it needs is in the page already.
const FIXED = ["rank", "defense"];
const START = { sort: "worst", down: true, search: "", family: "", assurance: "" };

// What a cell is sorted by; undefined stands last, whichever way.
const weight = (cell) => {
  if (cell === null || cell === "" || cell.state === "invalid") return undefined;
  return typeof cell === "string" ? cell.toLowerCase() : (cell.rate ?? cell);
};

class Board {
  constructor(section) {
    this.section = section;
    this.data = JSON.parse(section.querySelector("script").textContent);
    this.name = this.data.name;
    this.state = { ...START };
    this.hidden = new Set();
    this.pressed = new Set();
    this.table = section.querySelector(".ranking");
    this.tools = section.querySelector(".tools");
    this.count = section.querySelector(".count");
    let at = 0;
    this.columns = this.data.columns.map((column, place) => ({ ...column, place, at: column.aside ? -1 : at++ }));
    this.heads = [...this.table.tHead.rows[0].cells];
    this.rows = [...this.table.tBodies[0].rows].map((line, place) => this.row(line, place));
    this.prepareHeads();
    this.prepareTools();
    section.querySelector(".cards").hidden = true;
  }

  row(line, place) {
    const link = line.querySelector("a");
    const id = link.getAttribute("href").slice(1);
    const card = document.getElementById(id);
    const home = card.parentElement;
    const row = { line, place, id, card, home, cells: this.data.json[place], opened: null };
    row.button = button(link.textContent, () => this.open(row, !row.opened, true), { className: "opener" });
    row.button.setAttribute("aria-expanded", "false");
    row.button.setAttribute("aria-controls", id);
    link.replaceWith(row.button);
    const commands = card.querySelector(".commands");
    commands.before(button("Copy", () => this.take(commands.textContent, "the commands"), { className: "small" }));
    return row;
  }

  prepareHeads() {
    for (const column of this.columns.filter((each) => !each.aside)) {
      const head = this.heads[column.at];
      const act = button("", () => {
        const { sort, down } = this.state;
        const falls = column.kind === "figure";
        this.set({ sort: column.key, down: sort === column.key ? !down : falls });
      }, { className: "sort" });
      act.append(...head.childNodes);
      head.append(act);
    }
  }

  prepareTools() {
    const { tools } = this;
    tools.hidden = false;
    tools.addEventListener("submit", (event) => event.preventDefault());
    tools.addEventListener("input", (event) => {
      const { name, value } = event.target;
      if (name in START) this.set({ [name]: value });
    });
    tools.addEventListener("reset", (event) => {
      event.preventDefault();
      this.hidden.clear();
      this.pressed.clear();
      for (const row of this.rows) this.open(row, false);
      this.set({ ...START });
    });
    this.chips = [...tools.querySelectorAll(".chip")];
    for (const chip of this.chips) {
      chip.addEventListener("click", () => {
        if (!this.pressed.delete(chip.value)) this.pressed.add(chip.value);
        this.set({});
      });
    }
    tools.elements.link.addEventListener("click", () => {
      save();
      this.take(location.href, "the link");
    });
    const shown = tools.querySelector(".columns");
    for (const column of this.columns.filter((each) => !each.aside && !FIXED.includes(each.key))) {
      const box = element("input", { type: "checkbox", checked: true });
      column.box = box;
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(column.key);
        else this.hidden.add(column.key);
        this.set({});
      });
      const label = column.detail ? `${column.title}, ${column.detail}` : column.title;
      shown.append(element("label", {}, box, ` ${label}`));
    }
    const formats = tools.querySelector(".formats");
    for (const [key, format] of Object.entries(FORMATS)) {
      const name = `${this.name}.${format.ending}`;
      const copies = button("Copy", () => this.take(this.text(key), format.name));
      const saves = button("Download", () => {
        download(this.text(key), name, format.type);
        this.say(`Saved as ${name}.`);
      });
      copies.setAttribute("aria-label", `Copy as ${format.name}`);
      saves.setAttribute("aria-label", `Download as ${format.name}`);
      formats.append(element("div", {}, element("span", { textContent: format.name }), copies, saves));
    }
    tools.querySelectorAll(".menu").forEach(closing);
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.show();
    save();
  }

  show() {
    this.order();
    this.filter();
    this.choose();
    for (const name of ["search", "family", "assurance"]) {
      const field = this.tools.elements[name];
      if (field && field.value !== this.state[name]) field.value = this.state[name];
    }
    for (const chip of this.chips) chip.setAttribute("aria-pressed", String(this.pressed.has(chip.value)));
  }

  order() {
    const { sort, down } = this.state;
    const column = this.columns.find((each) => each.key === sort);
    const ranked = sort === START.sort && down === START.down; // as it came: some ranks rest on more than the figure
    const weights = new Map(this.rows.map((row) => [row, weight(row.cells[column.place])]));
    this.rows.sort((a, b) => {
      const [first, second] = [weights.get(a), weights.get(b)];
      if (ranked || first === second) return a.place - b.place;
      if (first === undefined || second === undefined) return first === undefined ? 1 : -1;
      return (first < second) === down ? 1 : -1;
    });
    const lines = this.rows.flatMap((row) => (row.opened ? [row.line, row.opened] : [row.line]));
    this.table.tBodies[0].append(...lines);
    this.heads.forEach((head) => head.removeAttribute("aria-sort"));
    this.heads[column.at].setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  filter() {
    const { search, family, assurance } = this.state;
    const words = search.toLowerCase().split(/\s+/);
    const [kind, evidence] = ["family", "assurance"].map((key) => this.columns.find((each) => each.key === key).place);
    const tags = this.columns.find((each) => each.key === "tags")?.place;
    for (const row of this.rows) {
      const levels = (row.cells[evidence] ?? "").split(/[;,] /);
      const own = (row.cells[tags] ?? "").split(", ");
      if (search) row.text ??= `${row.line.textContent} ${row.card.textContent}`.toLowerCase();
      row.shown = (!search || words.every((word) => row.text.includes(word)))
        && (!family || row.cells[kind] === family) && (!assurance || levels.includes(assurance))
        && [...this.pressed].every((tag) => own.includes(tag));
      row.line.hidden = !row.shown;
      if (row.opened) row.opened.hidden = !row.shown;
    }
    this.say(`${this.shown.length} of ${this.rows.length} rows`);
  }

  choose() {
    for (const { key, at, box } of this.columns.filter((each) => each.box)) {
      const away = this.hidden.has(key);
      box.checked = !away;
      if (this.heads[at].hidden === away) continue;
      this.heads[at].hidden = away;
      for (const { line } of this.rows) line.cells[at].hidden = away;
    }
    for (const { opened } of this.rows) if (opened) opened.firstChild.colSpan = this.width;
  }

  open(row, wanted, keep = false) {
    if (wanted === Boolean(row.opened)) return;
    row.button.setAttribute("aria-expanded", String(wanted));
    if (wanted) {
      row.opened = element("tr", { className: "opened" }, element("td", { colSpan: this.width }, row.card));
      row.line.after(row.opened);
    } else {
      row.home.append(row.card);
      row.opened.remove();
      row.opened = null;
    }
    if (keep) save();
  }

  get width() {
    return this.heads.filter((head) => !head.hidden).length;
  }

  get shown() {
    return this.rows.filter((row) => row.shown);
  }

  say(text) {
    this.count.textContent = text;
  }

  take(text, what) {
    copy(text).then(() => this.say(`Copied ${what}.`));
  }

  text(format) {
    const aside = ["csv", "json"].includes(format);
    const columns = this.columns.filter((column) => (aside || !column.aside) && !this.hidden.has(column.key));
    return write(format, this.data, columns, this.shown.map((row) => row.place));
  }

  // The state as pairs for the address, only what differs from the start.
  get pairs() {
    const { state } = this;
    const pairs = ["search", "family", "assurance"].filter((key) => state[key]).map((key) => [key, state[key]]);
    if (state.sort !== START.sort || state.down !== START.down) {
      pairs.unshift(["sort", `${state.sort} ${state.down ? "down" : "up"}`]);
    }
    const opened = this.rows.filter((row) => row.opened).map((row) => row.id.slice(this.name.length + 2));
    return [...pairs, ...[...this.pressed].sort().map((tag) => ["tag", tag]),
      ...[...this.hidden].sort().map((key) => ["hide", key]), ...opened.sort().map((id) => ["open", id])];
  }

  restore(pairs) {
    const state = { ...START };
    this.hidden.clear();
    this.pressed.clear();
    const opened = new Set();
    for (const [key, value] of pairs) {
      const column = this.columns.find((each) => each.key === value);
      const [, sort, way] = /^(.*) (up|down)$/.exec(value) ?? [];
      if (key === "sort" && this.columns.some((each) => each.key === sort && !each.aside)) {
        Object.assign(state, { sort, down: way === "down" });
      } else if (key === "hide" && column?.box) this.hidden.add(value);
      else if (key === "tag" && this.chips.some((chip) => chip.value === value)) this.pressed.add(value);
      else if (key === "open") opened.add(`${this.name}--${value}`);
      else if (key === "search") state.search = value;
      else if (["family", "assurance"].includes(key)) {
        const offered = [...(this.tools.elements[key]?.options ?? [])];
        if (offered.some((option) => option.value === value)) state[key] = value;
      }
    }
    for (const row of this.rows) this.open(row, opened.has(row.id));
    Object.assign(this.state, state);
    this.show();
  }
}

