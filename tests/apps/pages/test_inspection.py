"""The page of visus inspect: its sections for every task, and its widgets in a browser."""

import json
import re
import shutil
import subprocess

import pytest
import torch

from tests.conftest import PATIENCE, save_scene
from tests.tasks.test_torch_network import TASKS
from visus.apps.inference.inspected import inspect_model, load_inspected
from visus.apps.inference.loading import torch_model
from visus.apps.pages.inspection.page import inspection_page
from visus.vision.scenes import make_scene

SECTIONS = ["image", "convolution", "size", "activation", "pooling", "normalisation", "maps"]
SECTIONS += ["patches", "field", "classifier", "softmax", "explanation", "robustness"]


def page_of(network, **options):
    return inspection_page(network, make_scene(1, (80, 96), (2, 4)).image, "a.png", **options)


def missing(page):
    """Names of the sections that are left out."""
    found = re.findall(r'<section id="(\w+)">\s*<h2>[^<]*</h2>\s*<p class="soft">', page)
    assert set(re.findall(r'<section id="(\w+)">', page)) == {"prediction", *SECTIONS}
    return set(found)


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"mask_rcnn"}))
def test_every_task_has_the_sections_that_apply_to_it(name):
    torch.manual_seed(0)
    page = page_of(inspect_model(name, torch_model(name, TASKS[name]())))
    expected = {"patches"}
    if name != "classification":
        expected |= {"classifier", "softmax"}
    assert missing(page) == expected
    assert ("This network has no class scores" in page) == (name == "captioning")
    # One document: nothing is loaded from elsewhere.
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and len(page) < 5e6


@pytest.mark.parametrize("name", ["lenet5", "test_vit"])
def test_networks_without_some_kinds_of_layers(name):
    page = page_of(load_inspected(name, (1, 32, 32) if name == "lenet5" else (3, 160, 160)))
    assert missing(page) == {"patches", "normalisation"}


def test_patches_of_a_folder_are_shown(tmp_path):
    for i in range(3):
        save_scene(tmp_path / f"{i}.png", i)
    (tmp_path / "broken.png").write_bytes(b"no image")
    page = page_of(load_inspected("convnet", (1, 28, 28)), patches=tmp_path)
    assert "patches" not in missing(page)
    assert page.count('alt="patch of') == 3 * 8 and "1 images could not be used" in page


RECORD = """
window.problems = [];
addEventListener("error", (event) => problems.push(event.message));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
"""

DRIVE = """
const text = (selector) => document.querySelector(selector).textContent.trim();
function move(selector, value) {
  const field = document.querySelector(selector);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
const READ = {
  image: () => text("#image table"),
  convolution: () => text("#convolution .sums"),
  size: () => text("#size .formula"),
  pooling: () => text("#pooling .formula"),
  field: () => text("#field .description"),
  classifier: () => text("#classifier .parts"),
  softmax: () => text("#softmax .formula"),
};
addEventListener("load", () => setTimeout(() => {
  const found = { before: {}, after: {}, sums: [] };
  for (const [name, read] of Object.entries(READ)) found.before[name] = read();
  for (const channel of [0, 3]) {
    for (const [row, column] of [[0, 0], [2, 5], [7, 1]]) {
      move("#convolution [name=channel]", channel);
      move("#convolution [name=row]", row);
      move("#convolution [name=column]", column);
      found.sums.push([text("#convolution .computed"), text("#convolution .network")]);
    }
  }
  for (const each of [0, 1, 2]) {
    move("#classifier [name=class]", each);
    found.sums.push([text("#classifier .computed"), text("#classifier .network")]);
  }
  move("#image [name=x]", 3);
  move("#size [name=s]", 4);
  move("#pooling [name=position]", 4);
  move("#field [name=layer]", 0);
  move("#softmax [name=temperature]", 1);
  for (const [name, read] of Object.entries(READ)) found.after[name] = read();
  found.size = text("#size .formula");
  found.width = document.documentElement.scrollWidth;
  found.problems = problems;
  document.body.textContent = JSON.stringify(found);
}, 500));
"""


@pytest.fixture(scope="module")
def lenet():
    torch.manual_seed(0)
    return page_of(load_inspected("lenet5", (1, 32, 32)))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 500])
def test_sliders_change_the_numbers_in_a_browser(lenet, tmp_path, width):
    # The policy admits the page's own script only.
    page = re.sub(r"<meta http-equiv=.*?>", "", lenet)
    page = page.replace("<style>", f"<script>{RECORD}</script><style>", 1)
    page = page.replace("</html>", f"<script>{DRIVE}</script></html>")
    found = in_browser(page, tmp_path, width)
    assert found["problems"] == []
    for name, before in found["before"].items():
        assert before and found["after"][name] != before, name
    assert len({total for total, _ in found["sums"]}) > 5
    for total, network in found["sums"]:
        assert float(total) == pytest.approx(float(network), abs=2e-4)
    assert found["size"] == "(32 + 2·0 \u2212 5) / 4 + 1 = 7.75, rounded down 7"
    # No section is wider than the window.
    assert found["width"] <= width


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_the_policy_admits_the_pages_script(lenet, tmp_path):
    # The script fills the tables, which are empty in the document.
    assert '<table class="sums"></table>' in lenet
    assert "computed by the network" in dump(lenet, tmp_path, 1280).split("<script")[0]


def in_browser(page, folder, width):
    dom = dump(page, folder, width)
    return json.loads(re.search(r"<body>(.*)</body>", dom, re.S)[1])


def dump(page, folder, width):
    """The document after its scripts ran."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    command += ["--virtual-time-budget=5000", "--dump-dom", f"file://{folder / 'page.html'}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout
