// The classifier as a sum of parts, and softmax with a temperature.
function bar(value, largest) {
  const made = element("span", undefined, value < 0 ? "bar negative" : "bar");
  made.style.width = `${Math.max(0.5, 100 * Math.abs(value) / Math.max(largest, 1e-12))}%`;
  return made;
}

SECTIONS.classifier = (root, data) => {
  const features = values(data.features), weights = values(data.weights), bias = values(data.bias);
  controls(root, (fields) => {
    const index = Number(fields.class.value), count = features.length;
    const parts = Array.from(features, (feature, i) => ({ i, feature, weight: weights[index * count + i], product: feature * weights[index * count + i] }));
    const order = [...parts].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)), top = order.slice(0, 12), others = order.slice(12);
    const add = (some) => some.reduce((sum, part) => sum + part.product, 0);
    const rest = add(others), largest = Math.max(...top.map((part) => Math.abs(part.product)));
    const rows = top.map((part) => [`feature ${part.i}`, short(part.feature), short(part.weight), short(part.product), bar(part.product, largest)]);
    if (others.length) rows.push([`the other ${others.length} features`, "", "", short(rest), ""]);
    rows.push(["bias", "", "", short(bias[index]), ""]);
    rows.push([element("span", "total", "total"), "", "", element("span", (add(parts) + bias[index]).toFixed(4), "total computed"), ""]);
    rows.push(["the network's logit", "", "", element("span", data.logits[index].toFixed(4), "network"), ""]);
    fillTable(root.querySelector(".parts"), ["part", "value", "weight", "product", ""], rows, [1, 2, 3]);
  });
};

SECTIONS.softmax = (root, data) => {
  const logits = values(data.logits), largest = Math.max(...logits);
  controls(root, (fields) => {
    const temperature = 10 ** Number(fields.temperature.value);
    fields.temperature.parentElement.querySelector("output").textContent = temperature.toFixed(2);
    const powers = Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
    const sum = powers.reduce((total, power) => total + power, 0);
    const entropy = powers.reduce((total, power) => total - (power > 0 ? power / sum * Math.log2(power / sum) : 0), 0);
    root.querySelector(".formula").textContent = `T = ${temperature.toFixed(2)}: largest score ${(1 / sum).toFixed(4)}, entropy ${entropy.toFixed(2)} bits of ${Math.log2(logits.length).toFixed(2)}`;
    const rows = data.top.map(([i, name]) => [name, logits[i].toFixed(3), (powers[i] / sum).toFixed(4), bar(powers[i] / sum, 1)]);
    fillTable(root.querySelector(".scores"), ["class", "logit", "score", ""], rows, [1, 2]);
  });
};
