// Windows that move: the size of an output, and pooling.
SECTIONS.size = (root) => {
  controls(root, (fields) => {
    const [n, k, p, s] = ["n", "k", "p", "s"].map((name) => Number(fields[name].value));
    const room = n + 2 * p - k, size = Math.floor(room / s) + 1;
    root.querySelector(".formula").textContent = room < 0
      ? `(${n} + 2·${p} − ${k}) / ${s} + 1: the kernel is larger than the padded input`
      : `(${n} + 2·${p} − ${k}) / ${s} + 1 = ${(room / s + 1).toFixed(2).replace(/\.?0+$/, "")}, rounded down ${size}`;
    const rest = room < 0 ? 0 : room % s;
    root.querySelector(".rest").textContent = room < 0 ? "" : rest
      ? `The last ${rest} of the padded values ${rest === 1 ? "is" : "are"} under no position of the kernel.`
      : size === n ? "The output has the size of the input." : "Every value is under the kernel at least once, or between two positions.";
  });
};

SECTIONS.pooling = (root, data) => {
  const map = values(data.values), [height, width] = data.values.shape;

  function fill(table, rows, columns, value, marked) {
    table.replaceChildren();
    for (let i = 0; i < rows; i++) {
      const line = table.insertRow();
      for (let j = 0; j < columns; j++) line.append(element("td", value(i, j).toFixed(2), marked(i, j) ? "marked" : ""));
    }
  }

  controls(root, (fields) => {
    const kernel = Number(fields.kernel.value), stride = Number(fields.stride.value);
    const rows = Math.floor((height - kernel) / stride) + 1, columns = Math.floor((width - kernel) / stride) + 1;
    fields.position.max = rows * columns - 1;
    const position = Number(fields.position.value), row = Math.floor(position / columns), column = position % columns;
    fields.position.parentElement.querySelector("output").textContent = position;
    const under = (i, j) => {
      const found = [];
      for (let y = 0; y < kernel; y++) for (let x = 0; x < kernel; x++) found.push(map[(i * stride + y) * width + j * stride + x]);
      return found;
    };
    const largest = (i, j) => Math.max(...under(i, j)), mean = (i, j) => under(i, j).reduce((sum, value) => sum + value, 0) / kernel ** 2;
    const inside = (i, j) => i >= row * stride && i < row * stride + kernel && j >= column * stride && j < column * stride + kernel;
    const chosen = (i, j) => i === row && j === column;
    fill(root.querySelector(".map"), height, width, (i, j) => map[i * width + j], inside);
    fill(root.querySelector(".largest"), rows, columns, largest, chosen);
    fill(root.querySelector(".mean"), rows, columns, mean, chosen);
    root.querySelector(".formula").textContent = `maximum ${largest(row, column).toFixed(3)}, mean ${mean(row, column).toFixed(3)} of ${kernel * kernel} numbers; ${height} x ${width} become ${rows} x ${columns}`;
  });
};
