// One convolution: the kernel moves over the input, and the arithmetic of one number is written out.
SECTIONS.convolution = (root, data) => {
  const inputs = values(data.inputs), weights = values(data.weights), bias = values(data.bias), outputs = values(data.outputs);
  const [, height, width] = data.inputs.shape, [, depth, kernelRows, kernelColumns] = data.weights.shape;
  const [, rows, columns] = data.outputs.shape;
  const choice = root.querySelector("select[name=input]"), products = root.querySelector(".products");

  // The products of one number and one input channel, row by row.
  function terms(channel, row, column, c) {
    const found = [];
    for (let i = 0; i < kernelRows; i++) {
      for (let j = 0; j < kernelColumns; j++) {
        const y = row * data.stride[0] + i * data.dilation[0], x = column * data.stride[1] + j * data.dilation[1];
        const input = inputs[((data.first[channel] + c) * height + y) * width + x];
        const weight = weights[((channel * depth + c) * kernelRows + i) * kernelColumns + j];
        found.push({ input, weight, product: input * weight });
      }
    }
    return found;
  }

  const add = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

  function drawPlane(canvas, plane, planeHeight, planeWidth, frame) {
    const scale = Math.max(4, Math.floor(360 / Math.max(planeHeight, planeWidth)));
    Object.assign(canvas, { width: planeWidth * scale, height: planeHeight * scale });
    const pen = canvas.getContext("2d");
    const low = Math.min(...plane), spread = Math.max(Math.max(...plane) - low, 1e-12);
    plane.forEach((value, i) => {
      const level = Math.round(255 * (value - low) / spread);
      pen.fillStyle = `rgb(${level} ${level} ${level})`;
      pen.fillRect((i % planeWidth) * scale, Math.floor(i / planeWidth) * scale, scale, scale);
    });
    pen.strokeStyle = colour("--mark");
    pen.lineWidth = 3;
    pen.strokeRect(frame[1] * scale + 1, frame[0] * scale + 1, frame[3] * scale - 2, frame[2] * scale - 2);
  }

  for (let c = 0; c < depth; c++) choice.append(new Option(String(c), c));
  controls(root, (fields) => {
    const row = Number(fields.row.value), column = Number(fields.column.value), channel = Number(fields.channel.value);
    const c = Number(fields.input.value), first = data.first[channel];
    fields.row.parentElement.querySelector("output").textContent = row + data.corner[0];
    fields.column.parentElement.querySelector("output").textContent = column + data.corner[1];
    [...choice.options].forEach((option, i) => { option.textContent = data.inputChannels[first + i]; });
    const plane = inputs.subarray((first + c) * height * width, (first + c + 1) * height * width);
    const spanRows = (kernelRows - 1) * data.dilation[0] + 1, spanColumns = (kernelColumns - 1) * data.dilation[1] + 1;
    drawPlane(root.querySelector("canvas.inputs"), plane, height, width, [row * data.stride[0], column * data.stride[1], spanRows, spanColumns]);
    const made = outputs.subarray(channel * rows * columns, (channel + 1) * rows * columns);
    drawPlane(root.querySelector("canvas.outputs"), made, rows, columns, [row, column, 1, 1]);

    const shown = terms(channel, row, column, c);
    products.replaceChildren();
    for (let i = 0; i < kernelRows; i++) {
      const line = products.insertRow();
      for (const { input, weight, product } of shown.slice(i * kernelColumns, (i + 1) * kernelColumns)) {
        line.append(element("td", `${short(input)} x ${short(weight)} = ${short(product)}`, product < 0 ? "negative" : ""));
      }
    }
    const sums = Array.from({ length: depth }, (_, i) => add(terms(channel, row, column, i).map((term) => term.product)));
    const order = sums.map((_, i) => i).sort((a, b) => Math.abs(sums[b]) - Math.abs(sums[a])).slice(0, 6).sort((a, b) => a - b);
    const lines = order.map((i) => [`input channel ${data.inputChannels[first + i]}: sum of ${kernelRows * kernelColumns} products`, short(sums[i])]);
    if (depth > order.length) lines.push([`the other ${depth - order.length} input channels`, short(add(sums) - add(order.map((i) => sums[i])))]);
    const total = add(sums) + bias[channel];
    lines.push(["bias", short(bias[channel])]);
    lines.push([element("span", "total", "total"), element("span", total.toFixed(4), "total computed")]);
    lines.push(["computed by the network", element("span", made[row * columns + column].toFixed(4), "network")]);
    fillTable(root.querySelector(".sums"), ["part", "value"], lines, [1]);
  });
};
