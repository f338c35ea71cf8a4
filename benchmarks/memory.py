"""Training with and without reuse of freed memory: python benchmarks/memory.py."""

import statistics
import subprocess
import sys

ROUNDS = 1
_STEPS = """
import sys, time, torch
from visus.vision.freed_memory import keep_freed_memory
from visus.models.backbones.classifier import create_classifier
if sys.argv[1] == "kept":
    keep_freed_memory()
network, _ = create_classifier("tf_efficientnet_lite0", 5)
network = network.train().to(memory_format=torch.channels_last)
images = torch.rand(32, 3, 224, 224).to(memory_format=torch.channels_last)
labels = torch.arange(32) % 5
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
for step in range(5):
    if step == 2:
        start = time.perf_counter()
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()
print((time.perf_counter() - start) / 3)
"""


def main() -> None:
    """Print the seconds per step of both, and their ratio."""
    times: dict[str, list[float]] = {"kept": [], "returned": []}
    for _ in range(ROUNDS):
        for mode, measured in times.items():
            command = [sys.executable, "-c", _STEPS, mode]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            measured.append(float(ran.stdout))
    kept, returned = (statistics.median(measured) for measured in times.values())
    print("tf_efficientnet_lite0, 32 images of 224 x 224, forward, backward and AdamW")
    print(f"kept {kept:.2f} s per step, returned {returned:.2f} s: {returned / kept:.2f}x")


if __name__ == "__main__":
    main()
