// The image as numbers: the pixels of a crop.
SECTIONS.image = (root) => {
  const image = root.querySelector("img.source"), canvas = root.querySelector("canvas"), table = root.querySelector("table");
  image.decode().then(() => {
    const { naturalWidth: width, naturalHeight: height } = image;
    const copy = Object.assign(document.createElement("canvas"), { width, height });
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    controls(root, ({ x, y, channel }) => {
      const left = Number(x.value), top = Number(y.value), across = Math.min(8, width), down = Math.min(8, height);
      const pixels = context.getImageData(left, top, across, down).data;
      table.replaceChildren();
      for (let i = 0; i < down; i++) {
        const row = table.insertRow();
        for (let j = 0; j < across; j++) {
          const place = 4 * (i * across + j), cell = element("td", String(pixels[place + Number(channel.value)]));
          const [r, g, b] = pixels.slice(place, place + 3);
          cell.style.background = `rgb(${r} ${g} ${b})`;
          cell.style.color = 0.3 * r + 0.6 * g + 0.1 * b > 128 ? "#000" : "#fff";
          row.append(cell);
        }
      }
      Object.assign(canvas, { width: 2 * width, height: 2 * height });
      const pen = canvas.getContext("2d");
      pen.strokeStyle = colour("--mark");
      pen.lineWidth = Math.max(2, width / 80);
      pen.strokeRect(2 * left, 2 * top, 2 * across, 2 * down);
    });
  });
};
