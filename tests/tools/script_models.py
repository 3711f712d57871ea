"""script_models.py FOLDER: TorchScript files for tests, good ones and broken ones.

Good: net.pt (convolution, BatchNorm, dropout), other.pt (that with other weights), traced.pt, tied.pt (two layers with one weight),
frozen_layer.pt (a layer that is not trained), mean.pt (assigns to a buffer). All take images of
1 x 28 x 28 in 10 classes. The others are refused, each for the reason that its name says.
"""

import io
import random
import sys
import zipfile

import torch
from torch import nn

folder = sys.argv[1]
torch.manual_seed(1)


def save(name, module):
    torch.jit.save(torch.jit.script(module), f"{folder}/{name}.pt")


def write(name, data):
    with open(f"{folder}/{name}.pt", "wb") as file:
        file.write(data)


def rewritten(data, change):
    """The zip `data`, each file of it as change(name, bytes) says; None leaves it out."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                new.writestr(name, changed)
    return result.getvalue()


class Net(nn.Module):
    def __init__(self, classes=10, inputs=1568):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        x = self.dropout(torch.max_pool2d(x, [2, 2]))
        return self.fc(torch.flatten(x, 1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(784, 32)
        self.one = nn.Linear(32, 32)
        self.other = nn.Linear(32, 32)
        self.other.weight = self.one.weight
        self.last = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.tanh(self.first(torch.flatten(x, 1)))
        return self.last(torch.tanh(self.other(torch.tanh(self.one(x)))))


class Mean(nn.Module):
    """Keeps the mean of what it has seen, by assignment, and subtracts it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)
        self.register_buffer("mean", torch.zeros(784))

    def forward(self, x):
        x = torch.flatten(x, 1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return self.fc(x - self.mean)


class TwoArguments(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x, y):
        return self.fc(torch.flatten(x, 1) + y)


class Pair(Tied):
    def forward(self, x):
        x = self.first(torch.flatten(x, 1))
        return x, x


class Raises(Tied):
    def forward(self, x):
        assert x.size(1) == 3, "three channels are needed"
        return self.last(self.first(torch.flatten(x, 1)))


class Detached(Tied):
    def forward(self, x):
        return self.last(self.first(torch.flatten(x, 1))).detach()


class Assigns(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(784, 10))

    def forward(self, x):
        self.weight = self.weight * 2.0
        return torch.flatten(x, 1).matmul(self.weight)


class Overlapping(nn.Module):
    def __init__(self):
        super().__init__()
        both = torch.randn(790, 10)
        self.one = nn.Parameter(both[:784])
        self.other = nn.Parameter(both[6:])

    def forward(self, x):
        return torch.flatten(x, 1).matmul(self.one + self.other)


net = Net()
save("net", net)
save("other", Net())
torch.jit.save(torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(),
                                             nn.Linear(16, 10)), torch.rand(4, 1, 28, 28)),
               f"{folder}/traced.pt")
save("tied", Tied())
frozen = Net()
frozen.conv.weight.requires_grad_(False)
save("frozen_layer", frozen)
save("mean", Mean())

with open(f"{folder}/net.pt", "rb") as file:
    good = file.read()
write("empty", b"")
write("truncated_early", good[:100])
write("truncated_half", good[:len(good) // 2])
write("truncated_late", good[:-30])
write("random", random.Random(1).randbytes(20000))
write("no_code", rewritten(good, lambda name, data: None if "/code/" in name else data))
write("no_zip_content", rewritten(good, lambda name, data: None))
write("unknown_operator", rewritten(
    good, lambda name, data: data.replace(b"torch.flatten(", b"torch.flattem(")))
write("bad_code", rewritten(
    good, lambda name, data: b"def forward(" if name.endswith(".py") else data))
write("new_version", rewritten(
    good, lambda name, data: b"99\n" if name.endswith("/version") else data))
torch.save(net.state_dict(), f"{folder}/state_dict.pt")
torch.save(net.state_dict(), f"{folder}/old_state_dict.pt", _use_new_zipfile_serialization=False)
save("float64", Net().double())
save("half", Net().half())
save("two_arguments", TwoArguments())
save("wrong_shape", Net(inputs=100))
save("wrong_classes", Net(classes=12))
save("pair", Pair())
save("raises", Raises())
save("detached", Detached())
save("assigns", Assigns())
save("overlapping", Overlapping())
torch.jit.save(torch.jit.freeze(torch.jit.script(Net().eval())), f"{folder}/no_parameters.pt")
nan = Net()
with torch.no_grad():
    nan.fc.bias[3] = float("nan")
save("nan", nan)
