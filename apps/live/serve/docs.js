"use strict";
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function table(rows) {
  const made = element("table");
  for (const cells of rows) {
    const row = made.insertRow();
    for (const cell of cells) row.append(element("td", cell));
  }
  return made;
}
document.getElementById("example").textContent = `curl --data-binary @cat.jpg ${location.origin}/predict\ncurl -F file=@cat.jpg ${location.origin}/predict`;
fetch("/openapi.json").then((response) => response.json()).then((described) => {
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const section = element("section");
      section.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", operation.summary));
      if (operation.parameters) {
        section.append(element("div", "Parameters in the query", "soft"), table(operation.parameters.map((each) => [each.name, each.description + (each.required ? " (required)" : "")])));
      }
      if (operation.requestBody) {
        section.append(element("div", "Body", "soft"), table(Object.keys(operation.requestBody.content).map((kind) => [kind])));
      }
      const answers = Object.entries(operation.responses).map(([status, answer]) => [status, status === "200" ? Object.keys(answer.content)[0] : answer.description]);
      section.append(element("div", "Answers", "soft"), table(answers));
      document.getElementById("operations").append(section);
    }
  }
});
