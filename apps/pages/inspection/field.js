// The receptive field of one number, drawn on the image.
SECTIONS.field = (root, data) => {
  const canvas = root.querySelector("canvas"), pen = canvas.getContext("2d");
  controls(root, (fields) => {
    const layer = data.layers[Number(fields.layer.value)], index = Number(fields.row.value) * data.steps + Number(fields.column.value);
    const [row, column] = layer.positions[index], [count, side] = layer.heats.shape;
    fields.row.parentElement.querySelector("output").textContent = row;
    fields.column.parentElement.querySelector("output").textContent = column;
    const heat = values(layer.heats).subarray(index * side * side, (index + 1) * side * side);
    const small = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const pixels = new ImageData(side, side);
    // The image is darkened outside the effective field.
    heat.forEach((level, i) => pixels.data.set([12, 16, 24, Math.round(0.82 * (255 - level))], 4 * i));
    small.getContext("2d").putImageData(pixels, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    const [channels, rows, columns] = layer.output;
    const lines = [`${layer.name}: the value at row ${row}, column ${column} of ${rows} x ${columns}.`];
    if (layer.size) {
      const top = layer.start[0] + row * layer.jump[0], left = layer.start[1] + column * layer.jump[1];
      pen.strokeStyle = colour("--mark");
      pen.lineWidth = Math.max(1.5, canvas.width / 120);
      pen.strokeRect(left, top, layer.size[1], layer.size[0]);
      lines.push(`Theoretical field: ${layer.size[0]} x ${layer.size[1]} pixels, rows ${top} to ${top + layer.size[0] - 1}, columns ${left} to ${left + layer.size[1] - 1}.`);
      lines.push(`Neighbouring values are ${layer.jump[0]} pixels apart. ${(100 * layer.shares[index]).toFixed(1)} % of the gradient is inside the frame.`);
    } else {
      lines.push("Its theoretical field is the whole image.");
    }
    root.querySelector(".description").textContent = lines.join(" ");
  });
};
